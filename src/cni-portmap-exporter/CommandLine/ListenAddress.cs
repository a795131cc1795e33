using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CniIsolator.Exporter.CommandLine;

/// <summary>Where the exporter answers: <c>ADDRESS:PORT</c>, <c>[ADDRESS]:PORT</c> for IPv6, or <c>unix:PATH</c>.</summary>
internal sealed record ListenAddress(string Text, EndPoint EndPoint)
{
    private const string UnixPrefix = "unix:";

    // sun_path of struct sockaddr_un (linux/un.h) has 108 bytes, the last one is NUL.
    private const int LongestPath = 107;

    /// <summary>Reads one; a fault names what is wrong with it. Names are not resolved: an exporter must not wait for a name server to start.</summary>
    public static ListenAddress? TryParse(string text, out string fault)
    {
        EndPoint? endPoint = text.StartsWith(UnixPrefix, StringComparison.Ordinal) ? ParsePath(text, out fault) : ParseAddress(text, out fault);
        return endPoint is null ? null : new ListenAddress(text, endPoint);
    }

    public override string ToString() => Text;

    private static UnixDomainSocketEndPoint? ParsePath(string text, out string fault)
    {
        var path = text[UnixPrefix.Length..];
        fault = !Path.IsPathRooted(path) ? "the path must be absolute"
            : path.Contains('\0', StringComparison.Ordinal) ? "the path contains NUL"
            : Encoding.UTF8.GetByteCount(path) > LongestPath ? $"the path is longer than {LongestPath} bytes"
            : "";
        return fault.Length == 0 ? new UnixDomainSocketEndPoint(path) : null;
    }

    private static IPEndPoint? ParseAddress(string text, out string fault)
    {
        fault = "expected ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH, with an address in digits";
        var colon = text.LastIndexOf(':');
        if (colon < 0)
        {
            return null;
        }

        var host = text[..colon];
        var bracketed = host is ['[', .., ']'];
        var address = ReadAddress(bracketed ? host[1..^1] : host, bracketed ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork);
        if (address is null)
        {
            return null;
        }

        if (!ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0)
        {
            fault = "the port must be 1 to 65535";
            return null;
        }

        fault = "";
        return new IPEndPoint(address, port);
    }

    private static IPAddress? ReadAddress(string text, AddressFamily family)
    {
        if (!IPAddress.TryParse(text, out var address) || address.AddressFamily != family)
        {
            return null;
        }

        // "1" and "0x7f.1" are addresses to the parser, and mistakes here.
        return family == AddressFamily.InterNetworkV6 || address.ToString() == text ? address : null;
    }
}
