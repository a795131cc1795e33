using System.Net;
using System.Net.Sockets;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Shaping;

/// <summary>Which way a container's packets go.</summary>
internal enum Direction
{
    /// <summary>From the container to the outside.</summary>
    Egress,

    /// <summary>From the outside to the container.</summary>
    Ingress,
}

/// <summary>
/// TCP connections that carry as much as they can between a container and the outside, from the constructor to Dispose. The container opens them
/// whichever way the bytes go, so that they need no port that anybody must have been given.
/// </summary>
internal sealed class BulkFlows : IDisposable
{
    private const int ChunkBytes = 64 * 1024;
    private const int StackBytes = 256 * 1024;
    private const int ConnectMilliseconds = 10_000;

    private readonly List<Socket> _sockets = [];
    private readonly List<Thread> _threads = [];
    private long _received;

    public BulkFlows(Topology topology, Namespace container, Direction direction, int count)
    {
        using Socket listener = topology.Out.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(new IPEndPoint(topology.OutAddress, 0));
        listener.Listen(count);
        try
        {
            for (int i = 0; i < count; i++)
            {
                Socket inside = Keep(container.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)));
                inside.SendTimeout = ConnectMilliseconds;
                inside.Connect(listener.LocalEndPoint!);
                inside.SendTimeout = 0;
                Socket outside = Keep(listener.Accept());
                (Socket from, Socket to) = direction == Direction.Egress ? (inside, outside) : (outside, inside);
                _threads.Add(new Thread(() => Receive(to), StackBytes) { IsBackground = true });
                _threads.Add(new Thread(() => Send(from), StackBytes) { IsBackground = true });
            }
        }
        catch
        {
            Close();
            throw;
        }

        // All connections first: the handshakes of the last ones would wait behind the bytes of the first.
        _threads.ForEach(thread => thread.Start());
    }

    /// <summary>Bytes of payload that have arrived.</summary>
    public long Received => Volatile.Read(ref _received);

    public void Dispose()
    {
        foreach (Socket socket in _sockets)
        {
            try
            {
                // Wakes whoever waits in it.
                socket.Shutdown(SocketShutdown.Both);
            }
            catch (SocketException)
            {
                // Its peer was quicker.
            }
        }

        _threads.ForEach(thread => thread.Join());
        Close();
    }

    private Socket Keep(Socket socket)
    {
        // What is not sent yet shall not be sent after the end.
        socket.LingerState = new LingerOption(enable: true, 0);
        _sockets.Add(socket);
        return socket;
    }

    private void Close() => _sockets.ForEach(socket => socket.Dispose());

    private void Receive(Socket socket)
    {
        byte[] buffer = new byte[ChunkBytes];
        try
        {
            for (int length; (length = socket.Receive(buffer)) > 0;)
            {
                Interlocked.Add(ref _received, length);
            }
        }
        catch (SocketException)
        {
            // The end.
        }
    }

    private static void Send(Socket socket)
    {
        byte[] buffer = new byte[ChunkBytes];
        try
        {
            while (true)
            {
                socket.Send(buffer);
            }
        }
        catch (SocketException)
        {
            // The end.
        }
    }
}
