using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Exporter;

/// <summary>
/// One connection over which answers are asked for again and again. Bare sockets: what a client of the framework does besides would be measured as the server's.
/// </summary>
internal sealed class ScrapeConnection : IDisposable
{
    private const int PatienceMilliseconds = 60_000;

    private readonly Socket _socket;
    private readonly byte[] _request;
    private byte[] _answer = new byte[8 * 1024 * 1024];
    private int _length;

    public ScrapeConnection(Namespace host, IPEndPoint address)
    {
        _request = Encoding.ASCII.GetBytes($"GET /metrics HTTP/1.1\r\nHost: {address}\r\nAccept: text/plain;version=0.0.4\r\n\r\n");
        _socket = host.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        try
        {
            _socket.NoDelay = true;
            _socket.ReceiveTimeout = PatienceMilliseconds;
            _socket.Connect(address);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>The last answer with its head.</summary>
    public ReadOnlySpan<byte> Answer => _answer.AsSpan(0, _length);

    /// <summary>Asks once and reads all of the answer.</summary>
    /// <exception cref="InvalidOperationException">It is not one with metrics.</exception>
    public void Scrape()
    {
        _socket.Send(_request);
        _length = 0;
        int end = -1;
        do
        {
            if (_length == _answer.Length)
            {
                Array.Resize(ref _answer, _answer.Length * 2);
            }

            int count = _socket.Receive(_answer, _length, _answer.Length - _length, SocketFlags.None);
            if (count == 0)
            {
                throw new InvalidOperationException("the server closed the connection in its answer");
            }

            _length += count;
            end = end < 0 ? FindEnd() : end;
        }
        while (end < 0 || (end == 0 ? !Answer.EndsWith("\r\n0\r\n\r\n"u8) : _length < end));

        if (!Answer.StartsWith("HTTP/1.1 200 "u8))
        {
            throw new InvalidOperationException($"the answer begins with {Encoding.ASCII.GetString(Answer[..Math.Min(_length, 40)])}");
        }
    }

    /// <summary>The value of a sample in the last answer, found by what stands before it.</summary>
    public double Value(ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> prefix = [.. "\n"u8, .. name, .. " "u8];
        int at = Answer.IndexOf(prefix);
        if (at < 0)
        {
            throw new InvalidOperationException($"no {Encoding.ASCII.GetString(name)} in the answer");
        }

        ReadOnlySpan<byte> rest = Answer[(at + prefix.Length)..];
        return double.Parse(rest[..rest.IndexOf((byte)'\n')], NumberStyles.Float, CultureInfo.InvariantCulture);
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>How long the answer will be, 0 for one in chunks, whose last one tells, and -1 as long as its head is not there.</summary>
    private int FindEnd()
    {
        int body = Answer.IndexOf("\r\n\r\n"u8);
        if (body < 0)
        {
            return -1;
        }

        foreach (string line in Encoding.ASCII.GetString(Answer[..body]).Split("\r\n"))
        {
            if (line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
            {
                return body + 4 + int.Parse(line.AsSpan("Content-Length:".Length), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
            }
        }

        return 0;
    }
}
