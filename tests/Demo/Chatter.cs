using System.Net;
using System.Net.Sockets;
using CniIsolator.Testbed;

namespace CniIsolator.Demo;

/// <summary>Programs that talk until disposed of, so that there is something to be counted.</summary>
internal sealed class Chatter : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _talks = [];

    /// <summary>A connection to an echo server that sends so many bytes, waits for all of them to come back, and sends again after a pause.</summary>
    public void Talk(Namespace from, IPAddress to, int port, int bytes, TimeSpan pause)
    {
        Socket socket = from.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        _talks.Add(TalkAsync(socket, new IPEndPoint(to, port), bytes, pause));
    }

    /// <summary>One datagram after each pause from a port of that number.</summary>
    public void Send(Namespace from, int source, IPAddress to, int port, TimeSpan pause) => _talks.Add(SendAsync(Bound(from, source), new IPEndPoint(to, port), pause));

    /// <summary>So many datagrams from a port of that number.</summary>
    public static void Send(Namespace from, int source, IPAddress to, int port, int count)
    {
        using Socket socket = Bound(from, source);
        for (int number = 0; number < count; number++)
        {
            socket.SendTo("stray"u8, new IPEndPoint(to, port));
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        Task.WaitAll([.. _talks]);
        _stop.Dispose();
    }

    private static Socket Bound(Namespace place, int port) => place.Run(() =>
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Any, port));
        return socket;
    });

    private async Task TalkAsync(Socket socket, IPEndPoint to, int bytes, TimeSpan pause)
    {
        using (socket)
        {
            try
            {
                await socket.ConnectAsync(to, _stop.Token).ConfigureAwait(false);
                byte[] buffer = new byte[bytes];
                do
                {
                    await socket.ReceiveAsync(buffer.AsMemory(0, 1), _stop.Token).ConfigureAwait(false);
                }
                while (buffer[0] != '\n'); // the server's greeting

                byte[] message = new byte[bytes];
                while (true)
                {
                    // At the same time: neither end has room for all of it.
                    Task sending = SendAllAsync(socket, message);
                    for (int left = bytes; left > 0;)
                    {
                        int count = await socket.ReceiveAsync(buffer.AsMemory(0, left), _stop.Token).ConfigureAwait(false);
                        left -= count > 0 ? count : throw new SocketException((int)SocketError.ConnectionReset);
                    }

                    await sending.ConfigureAwait(false);
                    await Task.Delay(pause, _stop.Token).ConfigureAwait(false);
                }
            }
            catch (Exception error) when (error is OperationCanceledException or SocketException)
            {
                // The end of the talk.
            }
        }
    }

    private async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            data = data[await socket.SendAsync(data, _stop.Token).ConfigureAwait(false)..];
        }
    }

    private async Task SendAsync(Socket socket, IPEndPoint to, TimeSpan pause)
    {
        using (socket)
        {
            try
            {
                while (true)
                {
                    await socket.SendToAsync("stray"u8.ToArray(), to, _stop.Token).ConfigureAwait(false);
                    await Task.Delay(pause, _stop.Token).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException)
            {
                // The end of it.
            }
        }
    }
}
