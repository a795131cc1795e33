using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace CniIsolator.Testbed;

/// <summary>How a probe ended.</summary>
public enum ProbeOutcome
{
    /// <summary>All that was sent came back.</summary>
    Reply,

    /// <summary>ECONNREFUSED: somebody said that nobody listens.</summary>
    Refused,

    /// <summary>Nothing, or not everything, came back in time.</summary>
    Timeout,

    /// <summary>Another error, named in the detail.</summary>
    Error,
}

/// <summary>The end of a probe.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Local">The client's own endpoint.</param>
/// <param name="Peer">The client's endpoint as the server saw it.</param>
/// <param name="Detail">What went wrong, in words.</param>
public sealed record ProbeResult(ProbeOutcome Outcome, IPEndPoint? Local, IPEndPoint? Peer, string Detail)
{
    /// <summary>Whether everything came back.</summary>
    public bool Ok => Outcome == ProbeOutcome.Reply;

    /// <inheritdoc/>
    public override string ToString() => $"{Outcome}{(Peer is null ? "" : $" (seen as {Peer})")}{(Detail.Length == 0 ? "" : $": {Detail}")}";
}

/// <summary>What a probe sends, and for how long it waits.</summary>
public sealed record ProbeOptions
{
    /// <summary>One message, patiently.</summary>
    public static readonly ProbeOptions Small = new();

    /// <summary>One message, and little patience: for probes that must fail.</summary>
    public static readonly ProbeOptions Hopeless = new() { Timeout = TimeSpan.FromMilliseconds(300) };

    /// <summary>8 MiB each way by TCP; 300 datagrams one by one by UDP.</summary>
    public static readonly ProbeOptions Bulk = new() { StreamBytes = 8 << 20, Datagrams = 300, Timeout = TimeSpan.FromSeconds(30) };

    /// <summary>The time for the whole probe.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The address to send from; null lets the kernel choose.</summary>
    public IPAddress? SourceAddress { get; init; }

    /// <summary>The port to send from; 0 lets the kernel choose.</summary>
    public int SourcePort { get; init; }

    /// <summary>SO_BINDTODEVICE.</summary>
    public string? Device { get; init; }

    /// <summary>How many bytes a TCP probe sends and wants back.</summary>
    public int StreamBytes { get; init; } = 64;

    /// <summary>How many datagrams a UDP probe sends and wants back, one by one.</summary>
    public int Datagrams { get; init; } = 1;

    /// <summary>The payload of a datagram; 1472 fills an MTU of 1500.</summary>
    public int DatagramBytes { get; init; } = 64;
}

/// <summary>Talks to an <see cref="EchoServer"/> from inside a namespace.</summary>
public static class Probe
{
    /// <summary>Sends by TCP or UDP and wants everything back unchanged.</summary>
    public static async Task<ProbeResult> RunAsync(Namespace from, Transport transport, IPEndPoint to, ProbeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        options ??= ProbeOptions.Small;
        IPEndPoint? local = null;
        IPEndPoint? peer = null;
        try
        {
            using CancellationTokenSource timer = new(options.Timeout);
            IPAddress source = options.SourceAddress ?? (to.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any);
            using Socket socket = options is { SourceAddress: null, SourcePort: 0 }
                ? Unbound(from, transport, to, options.Device)
                : EchoServer.Open(from, transport, source, options.SourcePort, options.Device);
            await socket.ConnectAsync(to, timer.Token).ConfigureAwait(false);
            local = (IPEndPoint?)socket.LocalEndPoint;
            if (transport == Transport.Udp)
            {
                await socket.SendAsync(new[] { EchoServer.Question }, timer.Token).ConfigureAwait(false);
            }

            peer = IPEndPoint.Parse(await LineAsync(socket, transport, timer.Token).ConfigureAwait(false));
            string fault = transport == Transport.Tcp
                ? await StreamAsync(socket, options, timer.Token).ConfigureAwait(false)
                : await DatagramsAsync(socket, options, timer.Token).ConfigureAwait(false);
            return new ProbeResult(fault.Length == 0 ? ProbeOutcome.Reply : ProbeOutcome.Error, local, peer, fault);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return new ProbeResult(ProbeOutcome.Refused, local, peer, "");
        }
        catch (OperationCanceledException)
        {
            return new ProbeResult(ProbeOutcome.Timeout, local, peer, peer is null ? "" : "after the first answer");
        }
        catch (SocketException error)
        {
            return new ProbeResult(ProbeOutcome.Error, local, peer, error.SocketErrorCode.ToString());
        }
    }

    private static Socket Unbound(Namespace from, Transport transport, IPEndPoint to, string? device) => from.Run(() =>
    {
        Socket socket = transport == Transport.Tcp
            ? new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(to.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        if (device != null)
        {
            socket.SetRawSocketOption(1, 25, Encoding.ASCII.GetBytes(device + "\0"));
        }

        return socket;
    });

    private static async Task<string> LineAsync(Socket socket, Transport transport, CancellationToken cancel)
    {
        byte[] buffer = new byte[128];
        int filled = 0;
        while (filled == 0 || buffer[filled - 1] != '\n')
        {
            // Byte by byte on a stream: what follows the line belongs to the caller.
            int count = await socket.ReceiveAsync(transport == Transport.Tcp ? buffer.AsMemory(filled, 1) : buffer, cancel).ConfigureAwait(false);
            filled += count > 0 ? count : throw new SocketException((int)SocketError.ConnectionReset);
        }

        return Encoding.ASCII.GetString(buffer, 0, filled - 1);
    }

    private static async Task<string> StreamAsync(Socket socket, ProbeOptions options, CancellationToken cancel)
    {
        byte[] data = RandomNumberGenerator.GetBytes(options.StreamBytes);
        Task sending = EchoServer.SendAllAsync(socket, data, cancel);
        byte[] buffer = new byte[256 * 1024];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int left = data.Length; left > 0;)
        {
            int count = await socket.ReceiveAsync(buffer.AsMemory(0, Math.Min(left, buffer.Length)), cancel).ConfigureAwait(false);
            if (count == 0)
            {
                return $"the connection ended {left} bytes early";
            }

            hash.AppendData(buffer, 0, count);
            left -= count;
        }

        await sending.ConfigureAwait(false);
        return hash.GetHashAndReset().AsSpan().SequenceEqual(SHA256.HashData(data)) ? "" : "the checksums differ";
    }

    private static async Task<string> DatagramsAsync(Socket socket, ProbeOptions options, CancellationToken cancel)
    {
        byte[] buffer = new byte[64 * 1024];
        for (int number = 0; number < options.Datagrams; number++)
        {
            byte[] data = RandomNumberGenerator.GetBytes(options.DatagramBytes);
            data[0] = (byte)number == EchoServer.Question ? (byte)0 : (byte)number;
            await socket.SendAsync(data, cancel).ConfigureAwait(false);
            int count = await socket.ReceiveAsync(buffer, cancel).ConfigureAwait(false);
            if (!buffer.AsSpan(0, count).SequenceEqual(data))
            {
                return $"datagram {number} came back as {count} other bytes";
            }
        }

        return "";
    }
}
