using System.Text.Json.Nodes;
using CniIsolator.Testbed;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Crash.Tests;

/// <summary>
/// A host that many commands are killed on, one after another: after each one's cleaning up it must be as it was, or it is not used again.
/// </summary>
public sealed class Scene : IDisposable
{
    /// <summary>The container that the command in question is about.</summary>
    public const string Victim = "c1";

    /// <summary>One that lives beside it all the time, if wanted.</summary>
    public const string Neighbour = "n";

    /// <summary>One that comes later.</summary>
    public const string Other = "other";

    /// <summary>The first slice of the pool.</summary>
    public const int FirstSlice = 16384;

    private const string OtherAddress = "10.77.0.3/24";

    // What stays in a store without attachments.
    private static readonly string[] Harmless = ["lock", "host.lock", "freed.json", "networks.json"];

    private readonly Topology _net = new();
    private readonly Namespace? _neighbour;
    private readonly KernelState _complete;
    private readonly string _before;
    private readonly string _report;
    private readonly List<Namespace> _containers = [];
    private Reboot? _reboot;
    private SafeFileHandle? _held;
    private bool _attached;
    private bool _hasMore;
    private bool _hasOtherAddress;

    public Scene(bool withNeighbour = false)
    {
        try
        {
            // The zeros that a loopback begins with cannot be put back.
            Host.Ip("link set lo address 02:00:00:00:00:0a");
            Config = new NetworkConfig(_net);
            Plugin = new Plugin(_net, Config);
            _report = Path.Combine(_net.StateDirectory, "steps");
            if (withNeighbour)
            {
                _neighbour = Namespace.Create("n");
                Plugin.Add(_neighbour, Neighbour, config: Config.WithPorts(31500)).Require();
                ForgetThePast();
            }

            Wait.For(() => !Host.Ip("-o link show up").Contains("NO-CARRIER", StringComparison.Ordinal));
            _complete = KernelState.Snapshot(Host);
            _before = HostState.Read(Host);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public NetworkConfig Config { get; } = null!;

    public Plugin Plugin { get; } = null!;

    public Namespace Host => _net.Host;

    /// <summary>The host's address at the moment.</summary>
    public string Address => (_hasOtherAddress ? OtherAddress : $"{_net.HostAddress}/").Split('/')[0];

    public string Store => Config.StateDirectory!;

    /// <summary>The victim's ports and limit.</summary>
    public NetworkConfig VictimConfig => Config.WithPorts(31000, 31005).With("ingressRateLimitPerContainer", "1MB");

    /// <summary>The victim's namespace, or null once it has been taken away.</summary>
    public Namespace? Container { get; private set; }

    /// <summary>What "reboot" leads to: the same store on a new kernel.</summary>
    public Reboot AfterReboot => _reboot ??= new Reboot();

    /// <summary>Files of attachments.</summary>
    public string[] Records => RecordsOf(Store);

    public static string[] RecordsOf(string store) =>
        Directory.Exists(store) ? [.. Directory.GetFiles(store, "pmi*").Order(StringComparer.Ordinal)] : [];

    /// <summary>A record as JSON, or null.</summary>
    public JsonObject? Record(string id) => Records.Select(path => JsonNode.Parse(File.ReadAllText(path))!.AsObject())
        .SingleOrDefault(record => (string?)record["key"]!["containerId"] == id);

    /// <summary>creating, ready, deleting; changing for one with a change that has begun; null where there is no record.</summary>
    public string? State(string id) => Record(id) is not { } record ? null : record["change"] is null ? (string?)record["state"] : "changing";

    /// <summary>CHECK of the victim, where a runtime can ask for it: it needs the namespace, and the result of an ADD that was killed is nowhere.</summary>
    public void CheckVictim()
    {
        if (Container is not null && _attached)
        {
            Plugin.Check(Container, Victim, config: VictimConfig).Require();
        }
    }

    /// <summary>CHECK of whoever is attached, in the namespace that it is in.</summary>
    public void Check(string id)
    {
        string netns = (string)Record(id)!["namespace"]!["path"]!;
        Plugin.Check(_containers.Single(container => container.Path == netns), id, config: id == Victim ? VictimConfig : null).Require();
    }

    /// <summary>The victim is in this state.</summary>
    public void RequireState(string? expected)
    {
        if (State(Victim) is var found && found != expected)
        {
            throw new CellException($"{Victim} is {found ?? "gone"}, not {expected}");
        }
    }

    /// <summary>A namespace for the victim, whose own is gone.</summary>
    public Namespace Renewed() => Container = MakeNamespace();

    /// <summary>A fresh namespace that ends with this round, for another container.</summary>
    public Namespace NewContainer()
    {
        _hasMore = true;
        return MakeNamespace();
    }

    private Namespace MakeNamespace()
    {
        Namespace made = Namespace.Create("c");
        _containers.Add(made);
        return made;
    }

    /// <summary>Begins a round.</summary>
    public void Begin()
    {
        _hasMore = false;
        Container = MakeNamespace();
    }

    /// <summary>Attaches the victim.</summary>
    /// <param name="forever">Whether CHECK must find all of it while the record says that it is ready.</param>
    public void Attach(bool forever = true)
    {
        Plugin.Add(Container!, Victim, config: VictimConfig).Require();
        _attached = forever;
    }

    /// <summary>The host gets another address, until the round's cleaning up.</summary>
    public void ReplaceAddress()
    {
        _hasOtherAddress = true;
        MoveAddress($"{_net.HostAddress}/24", OtherAddress);
    }

    /// <summary>The runtime takes the victim's namespace away, as after a failed ADD.</summary>
    public void EndContainer()
    {
        Container?.Dispose();
        Container = null;
        _held?.Dispose();
    }

    /// <summary>The same, but something holds the namespace for the rest of the round.</summary>
    public void LeaveContainer()
    {
        SafeFileHandle held = File.OpenHandle(Container!.Path);
        EndContainer();
        _held = held;
    }

    /// <summary>Runs a command under the stepper.</summary>
    public (Outcome Outcome, List<Step> Steps) Stepped(string mode, Func<Scene, Plugin, Outcome> command)
    {
        ArgumentNullException.ThrowIfNull(command);
        Outcome outcome = command(this, Plugin.Through(Stepper.Words(_net.StateDirectory, _report, mode)));
        return (outcome, Stepper.Read(_report));
    }

    /// <summary>DEL of everybody but the neighbour; then the host and the store are as before, and no port is lost.</summary>
    public void CleanUp()
    {
        Plugin.Del(Container, Victim).Require();
        if (_hasMore)
        {
            Plugin.Del(null, Other).Require();
        }

        if (_hasOtherAddress)
        {
            MoveAddress(OtherAddress, $"{_net.HostAddress}/24");
            _hasOtherAddress = false;
        }

        RequireUnchanged("after DEL of everybody");
        if (_neighbour is not null)
        {
            Plugin.Check(_neighbour, Neighbour, config: Config.WithPorts(31500)).Require();
            ForgetThePast();
        }
        else if (Directory.Exists(Store))
        {
            Directory.Delete(Store, recursive: true);
        }

        End();
    }

    /// <summary>Host and store are as before the round.</summary>
    public void RequireUnchanged(string when)
    {
        string now = "";
        if (!Wait.For(() => (now = HostState.Read(Host)) == _before))
        {
            throw new CellException($"{when}, the host has changed:\n{HostState.Difference(_before, now)}");
        }

        RequireEmptyStore(Store, when);
    }

    /// <summary>All that a KernelState has; for the end.</summary>
    public void RequireCompletelyUnchanged()
    {
        string difference = _complete.Diff(KernelState.Snapshot(Host));
        if (difference.Length > 0)
        {
            throw new CellException($"at the end, the host has changed:\n{difference}");
        }
    }

    /// <summary>No file of any attachment but the neighbour's, no note of a host without attachments, no temporary file: all ports are free.</summary>
    public void RequireEmptyStore(string store, string when)
    {
        string[] expected = _neighbour is null || store != Store ? Harmless : [.. Harmless, "host.json", .. Records.Where(path => File.ReadAllText(path).Contains(
            $"\"containerId\": \"{Neighbour}\"", StringComparison.Ordinal)).Select(path => Path.GetFileName(path))];
        string[] left = Directory.Exists(store) ? [.. Directory.GetFileSystemEntries(store).Select(path => Path.GetFileName(path)!).Except(expected)] : [];
        if (left.Length > 0)
        {
            throw new CellException($"{when}, the store has {string.Join(' ', left)}");
        }
    }

    /// <summary>The records' slices and fixed ports are each owned once.</summary>
    public void RequireSingleOwners()
    {
        List<(string Protocol, int Begin, int End, string Id)> owned = [];
        foreach (JsonObject record in Records.Select(path => JsonNode.Parse(File.ReadAllText(path))!.AsObject()))
        {
            string id = (string)record["key"]!["containerId"]!;
            JsonNode slice = record["ports"]!["ephemeral"]!;
            owned.AddRange(from protocol in (string[])["tcp", "udp", "sctp"] select (protocol, (int)slice["begin"]!, (int)slice["end"]!, id));
            foreach (JsonArray ports in new[] { record["ports"]!["fixed"], record["change"]?["claims"] }.OfType<JsonArray>())
            {
                owned.AddRange(ports.Select(port => ((string)port!["protocol"]!, (int)port["begin"]!, (int)port["end"]!, id)));
            }
        }

        foreach (var one in owned)
        {
            foreach (var two in owned.Where(two => two.Id != one.Id && two.Protocol == one.Protocol && two.Begin <= one.End && one.Begin <= two.End))
            {
                throw new CellException($"{one} and {two} overlap");
            }
        }
    }

    // With the last address of a link its routes go as well.
    private void MoveAddress(string from, string to) => Host.IpBatch(
        $"address del {from} dev {_net.Options.Master}", $"address add {to} dev {_net.Options.Master}", $"route add default via {_net.OutAddress} dev {_net.Options.Master}");

    /// <summary>Each round has the same slice and the same notes.</summary>
    private void ForgetThePast()
    {
        File.Delete(Path.Combine(Store, "freed.json"));
        File.Delete(Path.Combine(Store, "networks.json"));
    }

    /// <summary>Ends a round, whatever came of it.</summary>
    public void End()
    {
        _containers.ForEach(container => container.Dispose());
        _containers.Clear();
        _attached = false;
        _held?.Dispose();
        Container = null;
    }

    public void Dispose()
    {
        End();
        _neighbour?.Dispose();
        _reboot?.Dispose();
        _net.Dispose();
    }
}

/// <summary>What went wrong in one round.</summary>
public sealed class CellException(string message) : Exception(message);
