using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using CniIsolator.Testbed;

namespace CniIsolator.Demo;

/// <summary>One TCP connection that carries as much as it can in one direction.</summary>
internal static class BulkTransfer
{
    /// <summary>Enough to see a speed, at any speed soon over.</summary>
    public const long Bytes = 256L << 20;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>How much arrived, and in which time.</summary>
    public static (long Received, TimeSpan Time) Run(Namespace from, Namespace to, IPAddress address, int port, long bytes = Bytes)
    {
        using Socket listener = to.Run(Stream);
        // The demo may be run again at once: a connection of its last run may still be in TIME-WAIT.
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Any, port));
        listener.Listen(1);
        using Socket sender = from.Run(Stream);
        using CancellationTokenSource timer = new(Limit);
        return TransferAsync(listener, sender, new IPEndPoint(address, port), bytes, timer.Token).GetAwaiter().GetResult();
    }

    private static async Task<(long Received, TimeSpan Time)> TransferAsync(Socket listener, Socket sender, IPEndPoint target, long bytes, CancellationToken cancel)
    {
        ValueTask<Socket> accepting = listener.AcceptAsync(cancel);
        await sender.ConnectAsync(target, cancel).ConfigureAwait(false);
        using Socket receiver = await accepting.ConfigureAwait(false);
        Stopwatch watch = Stopwatch.StartNew();
        Task sending = SendAsync(sender, bytes, cancel);
        byte[] buffer = new byte[1 << 20];
        long received = 0;
        for (int count; (count = await receiver.ReceiveAsync(buffer, cancel).ConfigureAwait(false)) > 0;)
        {
            received += count;
        }

        TimeSpan time = watch.Elapsed;
        await sending.ConfigureAwait(false);
        return (received, time);
    }

    private static async Task SendAsync(Socket sender, long bytes, CancellationToken cancel)
    {
        byte[] buffer = new byte[1 << 20];
        for (long left = bytes; left > 0;)
        {
            left -= await sender.SendAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), cancel).ConfigureAwait(false);
        }

        sender.Shutdown(SocketShutdown.Send);
    }

    private static Socket Stream() => new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
}
