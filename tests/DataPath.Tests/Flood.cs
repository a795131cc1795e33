using System.Diagnostics;
using System.Net.Sockets;

namespace CniIsolator.DataPath.Tests;

/// <summary>
/// A stream of datagrams that knows no mercy: sent as fast as the processor can, with buffers on both ends that hold all of it. What is
/// missing at the receiver was dropped on the way.
/// </summary>
public sealed class Flood : IDisposable
{
    // Buffers that the socket layer's own maximum does not bound.
    private const int SocketLevel = 1; // SOL_SOCKET
    private const int Priority = 12; // SO_PRIORITY
    private const int SendBufferForce = 32; // SO_SNDBUFFORCE
    private const int ReceiveBufferForce = 33; // SO_RCVBUFFORCE
    private const int Buffer = 256 << 20;

    // Ethernet, IPv4 and UDP headers.
    private const int Headers = 14 + 20 + 8;

    private readonly Socket _sender;
    private readonly Socket _receiver;
    private readonly Task _reading;
    private readonly Stopwatch _watch = new();
    private readonly int _payload;
    private long _received;

    private Flood(Socket sender, Socket receiver, int payload)
    {
        _sender = sender;
        _receiver = receiver;
        _payload = payload;
        _reading = ReadAsync();
    }

    /// <summary>Bytes that were offered, headers included.</summary>
    public long Offered { get; private set; }

    /// <summary>Bytes that have arrived so far, headers included.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>How long ago the first datagram was sent.</summary>
    public TimeSpan Elapsed => _watch.Elapsed;

    /// <summary>Prepares both ends.</summary>
    /// <param name="from">Where the sender is; the kernel chooses its port.</param>
    /// <param name="to">Where the receiver is.</param>
    /// <param name="target">Where it is reached; it listens on every address.</param>
    /// <param name="mtu">Datagrams fill it.</param>
    /// <param name="priority">SO_PRIORITY, by which a process may choose a class.</param>
    public static Flood Open(Namespace from, Namespace to, IPEndPoint target, int mtu = 1500, int priority = 0)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        Socket receiver = to.Run(Datagrams);
        receiver.SetRawSocketOption(SocketLevel, ReceiveBufferForce, BitConverter.GetBytes(Buffer));
        receiver.Bind(new IPEndPoint(IPAddress.Any, target.Port));
        Socket sender = from.Run(Datagrams);
        sender.SetRawSocketOption(SocketLevel, SendBufferForce, BitConverter.GetBytes(Buffer));
        sender.SetRawSocketOption(SocketLevel, Priority, BitConverter.GetBytes(priority));
        sender.Connect(target);
        return new Flood(sender, receiver, mtu - 28);
    }

    /// <summary>Sends so many datagrams without a pause.</summary>
    public Flood Send(int datagrams)
    {
        byte[] data = new byte[_payload];
        _watch.Start();
        for (int number = 0; number < datagrams; number++)
        {
            try
            {
                _sender.Send(data);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.NoBufferSpaceAvailable)
            {
                // Some queue says that it is full, which it should be.
            }
        }

        Offered += (long)datagrams * (_payload + Headers);
        return this;
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
        _reading.Wait();
    }

    private static Socket Datagrams() => new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);

    private async Task ReadAsync()
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                int count = await _receiver.ReceiveAsync(buffer).ConfigureAwait(false);
                Interlocked.Add(ref _received, count + Headers);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Disposed of.
        }
    }
}
