using System.Net;
using System.Net.Sockets;
using System.Text;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>A connection to the exporter on which a test says, and leaves unsaid, what it likes.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket _socket;

    private RawClient(Socket socket) => _socket = socket;

    /// <summary>Connects from inside the host's namespace.</summary>
    /// <param name="exporter">To whom.</param>
    /// <param name="window">Bytes that the client's kernel takes without being asked; 0 for as many as it likes.</param>
    public static RawClient Connect(ExporterProcess exporter, int window = 0) => exporter.Host.Run(() =>
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = (int)Wait.Patience.TotalMilliseconds };
        if (window > 0)
        {
            // Small segments keep the server's kernel from buffering megabytes, as it does on a loopback.
            socket.ReceiveBufferSize = window;
            socket.SetRawSocketOption(6, 2, BitConverter.GetBytes(536)); // TCP_MAXSEG
        }

        socket.Connect(IPAddress.Loopback, ExporterProcess.Port);
        return new RawClient(socket);
    });

    /// <summary>What comes back to a request until the server closes.</summary>
    public static string Ask(ExporterProcess exporter, string request)
    {
        using RawClient client = Connect(exporter);
        client.Send(request);
        return client.ReadAll();
    }

    public void Send(string text) => Send(Encoding.Latin1.GetBytes(text));

    /// <summary>Sends as much as the server takes.</summary>
    /// <returns>Whether it took all.</returns>
    public bool Send(byte[] data)
    {
        try
        {
            return _socket.Send(data) == data.Length;
        }
        catch (SocketException)
        {
            // It has closed, of which the kernel tells in several ways.
            return false;
        }
    }

    /// <summary>Everything until the server closes; an exception if it does not.</summary>
    public string ReadAll()
    {
        StringBuilder answer = new();
        byte[] buffer = new byte[64 * 1024];
        for (int count; (count = Read(buffer)) > 0;)
        {
            answer.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }

        return answer.ToString();
    }

    /// <summary>Bytes until the server closes, so many at a time; an exception if it does not.</summary>
    public int Read(byte[] buffer)
    {
        try
        {
            return _socket.Receive(buffer);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            // It closed without reading all that was sent.
            return 0;
        }
    }

    /// <summary>Whether something can be read within the time: an answer, or the end.</summary>
    public bool HasAnswer(TimeSpan within) => _socket.Poll(within, SelectMode.SelectRead);

    /// <summary>Whether the server has closed, though nothing of what it sent is read.</summary>
    public bool IsCutOff => _socket.Poll(0, SelectMode.SelectError);

    public void Dispose() => _socket.Dispose();
}
