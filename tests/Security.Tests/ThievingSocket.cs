using System.Net;
using System.Net.Sockets;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>A socket bound to a port of somebody else, with every option that lets it.</summary>
public sealed class ThievingSocket : IDisposable
{
    private readonly Socket _socket;

    private ThievingSocket(Socket socket) => _socket = socket;

    /// <summary>Whether a datagram or a connection has come.</summary>
    public bool HasAnything => _socket.Poll(0, SelectMode.SelectRead);

    public static ThievingSocket Open(Namespace place, Transport transport, int port) => place.Run(() =>
    {
        const int SocketLevel = 1;
        const int ReuseAddress = 2;
        const int ReusePort = 15;
        const int InternetLevel = 0;
        const int FreeBind = 15;
        const int Transparent = 19;
        byte[] on = BitConverter.GetBytes(1);
        bool stream = transport == Transport.Tcp;
        Socket socket = new(AddressFamily.InterNetwork, stream ? SocketType.Stream : SocketType.Dgram, stream ? ProtocolType.Tcp : ProtocolType.Udp);
        socket.SetRawSocketOption(SocketLevel, ReuseAddress, on);
        socket.SetRawSocketOption(SocketLevel, ReusePort, on);
        socket.SetRawSocketOption(InternetLevel, FreeBind, on);
        socket.SetRawSocketOption(InternetLevel, Transparent, on);
        socket.Bind(new IPEndPoint(IPAddress.Any, port));
        if (stream)
        {
            socket.Listen();
        }

        return new ThievingSocket(socket);
    });

    public void Dispose() => _socket.Dispose();
}
