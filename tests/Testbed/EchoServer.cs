using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CniIsolator.Testbed;

/// <summary>TCP or UDP.</summary>
public enum Transport
{
    Tcp,
    Udp,
}

/// <summary>
/// Returns what it is sent. A TCP connection is greeted with the peer's endpoint as the server sees it, on a line of its own; a UDP datagram
/// that begins with `?` is answered by such a line.
/// </summary>
public sealed class EchoServer : IDisposable
{
    internal const byte Question = (byte)'?';

    private readonly Socket _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _serving;

    private EchoServer(Socket socket, Transport transport)
    {
        _socket = socket;
        EndPoint = (IPEndPoint)socket.LocalEndPoint!;
        _serving = transport == Transport.Tcp ? AcceptAsync() : AnswerAsync();
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>
    /// Listens inside the namespace; port 0 takes any. With IPAddress.Any the answers to UDP carry the address that routing prefers:
    /// where a place has several, bind to the one meant.
    /// </summary>
    public static EchoServer Start(Namespace place, Transport transport, IPAddress address, int port)
    {
        ArgumentNullException.ThrowIfNull(place);
        Socket socket = Open(place, transport, address, port, null);
        if (transport == Transport.Tcp)
        {
            socket.Listen(128);
        }

        return new EchoServer(socket, transport);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _socket.Dispose();
        _serving.Wait();
        _stop.Dispose();
    }

    /// <summary>A bound socket that belongs to the namespace.</summary>
    internal static Socket Open(Namespace place, Transport transport, IPAddress address, int port, string? device) => place.Run(() =>
    {
        Socket socket = transport == Transport.Tcp
            ? new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            // Tests reuse ports at once: a connection of an earlier probe may still be in TIME-WAIT.
            socket.SetRawSocketOption(1, 2, BitConverter.GetBytes(1));
            if (device != null)
            {
                socket.SetRawSocketOption(1, 25, Encoding.ASCII.GetBytes(device + "\0"));
            }

            socket.Bind(new IPEndPoint(address, port));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    });

    private async Task AcceptAsync()
    {
        List<Task> connections = [];
        try
        {
            while (true)
            {
                connections.Add(EchoAsync(await _socket.AcceptAsync(_stop.Token).ConfigureAwait(false)));
            }
        }
        catch (Exception error) when (IsEnd(error))
        {
            await Task.WhenAll(connections).ConfigureAwait(false);
        }
    }

    private async Task EchoAsync(Socket connection)
    {
        using (connection)
        {
            try
            {
                byte[] buffer = new byte[64 * 1024];
                await SendAllAsync(connection, Encoding.ASCII.GetBytes($"{connection.RemoteEndPoint}\n"), _stop.Token).ConfigureAwait(false);
                for (int count; (count = await connection.ReceiveAsync(buffer, _stop.Token).ConfigureAwait(false)) > 0;)
                {
                    await SendAllAsync(connection, buffer.AsMemory(0, count), _stop.Token).ConfigureAwait(false);
                }

                connection.Shutdown(SocketShutdown.Send);
            }
            catch (Exception error) when (IsEnd(error))
            {
                // The client has gone, or the server is being stopped.
            }
        }
    }

    private async Task AnswerAsync()
    {
        byte[] buffer = new byte[64 * 1024];
        IPEndPoint any = new(EndPoint.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                SocketReceiveFromResult received = await _socket.ReceiveFromAsync(buffer, any, _stop.Token).ConfigureAwait(false);
                ReadOnlyMemory<byte> answer = received.ReceivedBytes > 0 && buffer[0] == Question
                    ? Encoding.ASCII.GetBytes($"{received.RemoteEndPoint}\n")
                    : buffer.AsMemory(0, received.ReceivedBytes);
                await _socket.SendToAsync(answer, received.RemoteEndPoint, _stop.Token).ConfigureAwait(false);
            }
            catch (SocketException)
            {
                // An ICMP error for an earlier answer: the next datagram is not concerned.
            }
            catch (Exception error) when (IsEnd(error))
            {
                return;
            }
        }
    }

    internal static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        while (!data.IsEmpty)
        {
            data = data[await socket.SendAsync(data, cancel).ConfigureAwait(false)..];
        }
    }

    private static bool IsEnd(Exception error) => error is OperationCanceledException or ObjectDisposedException or SocketException;
}
