using System.Net;

namespace CniIsolator.Testbed;

/// <summary>A container as the matrix sees it.</summary>
/// <param name="Name">How the cases call it.</param>
/// <param name="Place">Its namespace.</param>
/// <param name="Port">A port that it owns, and where nothing listens yet.</param>
public sealed record MatrixContainer(string Name, Namespace Place, int Port);

/// <summary>What the matrix runs.</summary>
public sealed record MatrixOptions
{
    /// <summary>Whether containers may reach the host's 127.0.0.1, and so each other's.</summary>
    public bool HostLoopback { get; init; } = true;

    /// <summary>Whether bulk transfers are run too.</summary>
    public bool Bulk { get; init; } = true;

    /// <summary>How many bytes a bulk transfer by TCP sends and wants back.</summary>
    public int StreamBytes { get; init; } = ProbeOptions.Bulk.StreamBytes;

    /// <summary>The port of the servers on the host and outside; no container owns it.</summary>
    public int ServerPort { get; init; } = 7007;

    /// <summary>A port that the first container listens on and no container owns.</summary>
    public int UnownedPort { get; init; } = 29999;

    /// <summary>How long a probe that must fail may try.</summary>
    public TimeSpan Hopeless { get; init; } = TimeSpan.FromMilliseconds(300);
}

/// <summary>One probe of the matrix.</summary>
public sealed record MatrixCase(string Name, string Expected, string Actual, bool Ok)
{
    /// <inheritdoc/>
    public override string ToString() => $"{(Ok ? "ok  " : "FAIL")} {Name}: expected {Expected}, got {Actual}";
}

/// <summary>
/// Every way between the outside, the host and two containers, by TCP and UDP, with one message and in bulk. What must fail is tried
/// with one message only.
/// </summary>
public sealed class ProbeMatrix : IDisposable
{
    private readonly Topology _topology;
    private readonly MatrixContainer _first;
    private readonly MatrixContainer _second;
    private readonly MatrixOptions _options;
    private readonly List<EchoServer> _servers = [];
    private readonly List<MatrixCase> _cases = [];

    private ProbeMatrix(Topology topology, MatrixContainer first, MatrixContainer second, MatrixOptions options)
    {
        _topology = topology;
        _first = first;
        _second = second;
        _options = options;
    }

    /// <summary>Runs all of it, one probe after another.</summary>
    public static async Task<IReadOnlyList<MatrixCase>> RunAsync(Topology topology, MatrixContainer first, MatrixContainer second, MatrixOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(topology);
        using ProbeMatrix matrix = new(topology, first, second, options ?? new MatrixOptions());
        matrix.Listen();
        foreach (Transport transport in Enum.GetValues<Transport>())
        {
            await matrix.RunAsync(transport).ConfigureAwait(false);
        }

        return matrix._cases;
    }

    /// <summary>The cases that went wrong, one on a line: empty is what a test wants.</summary>
    public static string Failures(IEnumerable<MatrixCase> cases) => string.Join('\n', cases.Where(one => !one.Ok));

    /// <inheritdoc/>
    public void Dispose() => _servers.ForEach(server => server.Dispose());

    private void Listen()
    {
        foreach (Transport transport in Enum.GetValues<Transport>())
        {
            // Outside there are two addresses: an answer must come from the one that was asked.
            Add(_topology.Out, transport, _topology.OutAddress, _options.ServerPort);
            Add(_topology.Out, transport, _topology.RoutedAddress, _options.ServerPort);
            Add(_topology.Host, transport, IPAddress.Any, _options.ServerPort);
            Add(_first.Place, transport, IPAddress.Any, _first.Port);
            Add(_first.Place, transport, IPAddress.Any, _options.UnownedPort);
            Add(_second.Place, transport, IPAddress.Any, _second.Port);
        }
    }

    private void Add(Namespace place, Transport transport, IPAddress address, int port) => _servers.Add(EchoServer.Start(place, transport, address, port));

    private async Task RunAsync(Transport transport)
    {
        IPAddress host = _topology.HostAddress;
        int port = _options.ServerPort;
        string c1 = _first.Name;
        string c2 = _second.Name;
        Namespace outside = _topology.Out;
        foreach (MatrixContainer container in new[] { _first, _second })
        {
            await ReachAsync($"{container.Name}->OUT", container.Place, transport, _topology.OutAddress, port, host).ConfigureAwait(false);
            await ReachAsync($"{container.Name}->OUT routed", container.Place, transport, _topology.RoutedAddress, port, host).ConfigureAwait(false);
            await ReachAsync($"OUT->{container.Name}", outside, transport, host, container.Port, _topology.OutAddress).ConfigureAwait(false);
        }

        await ReachAsync("OUT->HOST", outside, transport, host, port, _topology.OutAddress).ConfigureAwait(false);
        await ReachAsync("HOST->OUT", _topology.Host, transport, _topology.OutAddress, port, host).ConfigureAwait(false);
        await ReachAsync("HOST->OUT routed", _topology.Host, transport, _topology.RoutedAddress, port, host).ConfigureAwait(false);
        await ReachAsync($"HOST->{c1} by address", _topology.Host, transport, host, _first.Port, host).ConfigureAwait(false);
        await ReachAsync($"{c1}->HOST by address", _first.Place, transport, host, port, host).ConfigureAwait(false);
        await ReachAsync($"{c1}->{c2} by address", _first.Place, transport, host, _second.Port, host).ConfigureAwait(false);
        await ReachAsync($"{c2}->{c1} by address", _second.Place, transport, host, _first.Port, host).ConfigureAwait(false);
        await ReachAsync($"{c1}->{c1} by address", _first.Place, transport, host, _first.Port, null).ConfigureAwait(false);
        await ReachAsync($"{c1}->{c1} by 127.0.0.1", _first.Place, transport, IPAddress.Loopback, _first.Port, null).ConfigureAwait(false);
        if (_options.HostLoopback)
        {
            await ReachAsync($"HOST->{c1} by 127.0.0.1", _topology.Host, transport, IPAddress.Loopback, _first.Port, null).ConfigureAwait(false);
            await ReachAsync($"{c1}->HOST by 127.0.0.1", _first.Place, transport, IPAddress.Loopback, port, null).ConfigureAwait(false);
            await ReachAsync($"{c1}->{c2} by 127.0.0.1", _first.Place, transport, IPAddress.Loopback, _second.Port, null).ConfigureAwait(false);
        }
        else
        {
            // What the host may do by its own 127.0.0.1 is not this option's business, so that way is not tried.
            await FailAsync($"{c1}->HOST by 127.0.0.1", _first.Place, transport, IPAddress.Loopback, port).ConfigureAwait(false);
        }

        await FailAsync($"OUT->{c1} on a port it does not own", outside, transport, host, _options.UnownedPort).ConfigureAwait(false);
    }

    /// <summary>Must get everything back, and be seen by the server with the address given.</summary>
    private async Task ReachAsync(string name, Namespace from, Transport transport, IPAddress to, int port, IPAddress? seenAs)
    {
        ProbeOptions bulk = ProbeOptions.Bulk with { StreamBytes = _options.StreamBytes, DatagramBytes = _topology.Options.Mtu - 28 };
        foreach ((string size, ProbeOptions options) in _options.Bulk ? [("small", ProbeOptions.Small), ("bulk", bulk)] : new[] { ("small", ProbeOptions.Small) })
        {
            ProbeResult result = await Probe.RunAsync(from, transport, new IPEndPoint(to, port), options).ConfigureAwait(false);
            bool seen = seenAs is null || seenAs.Equals(result.Peer?.Address);
            _cases.Add(new MatrixCase(
                $"{transport} {size} {name}",
                seenAs is null ? "a reply" : $"a reply, seen as {seenAs}",
                result.ToString(),
                result.Ok && seen));
            if (!result.Ok)
            {
                // A way that is closed to one message need not be tried in bulk, for half a minute each.
                break;
            }
        }
    }

    private async Task FailAsync(string name, Namespace from, Transport transport, IPAddress to, int port)
    {
        ProbeResult result = await Probe.RunAsync(from, transport, new IPEndPoint(to, port), new ProbeOptions { Timeout = _options.Hopeless }).ConfigureAwait(false);
        _cases.Add(new MatrixCase($"{transport} {name}", "refusal or silence", result.ToString(), result.Outcome is ProbeOutcome.Refused or ProbeOutcome.Timeout));
    }
}
