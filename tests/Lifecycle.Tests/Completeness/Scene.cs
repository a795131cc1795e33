extern alias plugin;

using System.Text.RegularExpressions;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Testbed;
using plugin::CniIsolator.KernelState;
using plugin::CniIsolator.KernelState.Objects;
using plugin::CniIsolator.KernelState.Observation;
using plugin::CniIsolator.KernelState.Plans;

namespace CniIsolator.Lifecycle.Tests.Completeness;

/// <summary>A container with everything that a container can have, a neighbour, and the plans that they were made from.</summary>
internal sealed partial class Scene : IDisposable
{
    private const string Id = "c1";

    private readonly Bed _bed;
    private readonly Testbed.Plugin _plugin;
    private readonly NetworkConfig _config;

    /// <param name="kernelTypes">Without the kernel's types, containers compute the checksums of what they send themselves.</param>
    public Scene(bool kernelTypes = true)
    {
        _bed = new Bed(config =>
        {
            NetworkConfig limited = config.With("egressRateLimitPerContainer", 10_000_000).With("ingressRateLimitPerContainer", 10_000_000);
            return HasFairQueue() ? limited.With("egressUniqueFlowPerContainer", true) : limited;
        });
        try
        {
            _plugin = kernelTypes ? _bed.Plugin : _bed.Plugin.WithoutKernelTypes();
            _config = _bed.Config.WithPorts(31005, 31006, 31007);
            _plugin.Add(_bed.Container(), "c0", config: _bed.Config.WithPorts(31500)).Require();
            Container = _bed.Container();
            _plugin.Add(Container, Id, config: _config).Require();
            Attachment = new AttachmentStore(_bed.Store).ReadAll().Attachments.Single(a => a.Key.ContainerId == Id);
            using HostEndPrograms programs = HostEndPrograms.Load();
            Plan = AttachmentPlan.Of(Attachment, kernelTypes ? programs.Tags : default);
            Shared = HostPlan.Of(Attachment.Host, hostLoopback: true, Attachment.Numbers.Flow == 0 ? null : FlowClassifierParent.Root);
        }
        catch
        {
            _bed.Dispose();
            throw;
        }
    }

    public Namespace Host => _bed.Host;

    public Namespace Container { get; }

    public Topology Net => _bed.Net;

    public Attachment Attachment { get; }

    public AttachmentPlan Plan { get; }

    /// <summary>What the container shares with others.</summary>
    public Plan Shared { get; }

    /// <summary>All of it, by name.</summary>
    public IReadOnlyDictionary<string, Plan> Parts => new Dictionary<string, Plan>
    {
        ["container"] = Plan.Container,
        ["host end"] = Plan.HostEnd,
        ["entries"] = Plan.Entries,
        ["shared"] = Shared,
        ["master"] = new([new MasterState(Attachment.Host) { Place = Place.Host }]),
    };

    public Namespace this[Place place] => place == Place.Host ? Host : Container;

    /// <summary>What CHECK says: its details, empty where all is well.</summary>
    /// <param name="master">What the configuration says by now, where the master has got another name.</param>
    public string Check(string? master = null)
    {
        PluginResult result = _plugin.Check(Container, Id, config: master is null ? _config : _config.With("master", master));
        if (!result.Succeeded)
        {
            Bed.Fails(result, 106);
        }

        return result.Succeeded ? "" : $"{result.ErrorMessage}; {result.ErrorDetails}";
    }

    public CommandResult Repair(bool all = false) => _plugin.CommandLine(all ? ["repair", "--all"] : ["repair", Id]);

    /// <summary>Works on the kernel by the plugin's own library.</summary>
    public T Run<T>(Place place, Func<NetlinkConnection, NamespaceKernel, T> work) => this[place].Run(() =>
    {
        using NetlinkConnection connection = NetlinkConnection.Open();
        return work(connection, new NamespaceKernel(connection, place));
    });

    /// <summary>Both namespaces, line by line. The order in which tables were made means nothing, nor when a program was loaded.</summary>
    public IReadOnlyList<string> Snapshot() =>
    [
        .. new[] { Host, Container }.SelectMany((place, i) => Bed.Settled(place).Text.Split('\n').Select(line => $"{(i == 0 ? "host" : "container")}: {line}"))
            .Where(line => !line.Contains(" class fq_codel ", StringComparison.Ordinal)) // Queues that are in use just now.
            .Select(line => WhenLoaded().Replace(line, "")),
    ];

    /// <summary>Both namespaces are as they were.</summary>
    public void AssertUnchanged(IReadOnlyList<string> before)
    {
        List<string> gained = [.. Snapshot()], lost = [.. before.Where(line => !gained.Remove(line))];
        Assert.True(lost.Count + gained.Count == 0, string.Join('\n', [.. lost.Select(line => $"- {line}"), .. gained.Select(line => $"+ {line}")]));
    }

    /// <summary>After somebody has tampered with an object: CHECK names it, "repair" mends it, and CHECK has nothing to say any more.</summary>
    public void AssertMended(KernelObject planned, Tampering tampering, bool isShared)
    {
        string subject = tampering.Attribute switch
        {
            null => planned.Compare(null).First().Subject,
            "" => planned.Subject,
            var attribute => $"{attribute} of {planned.Subject}",
        };
        string what = $"{tampering.Attribute ?? "removal"} of {planned.Subject}";
        string said = Check();
        Assert.True(said.Contains($"{subject}: expected ", StringComparison.Ordinal), $"{what}: CHECK says \"{said}\"");

        // What all share is in use by others too, which then have to be mended as well.
        CommandResult repaired = Repair(isShared);
        Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, $"{what}: {repaired}");
        Bed.Says(repaired.Output, isShared ? "mended       host: " : "mended       testnet/c1/eth0: ", $"{subject}: expected ");
        said = Check();
        Assert.True(said.Length == 0, $"{what}: after the repair CHECK says \"{said}\"");
    }

    public void Dispose() => _bed.Dispose();

    [GeneratedRegex(@"\b(?:id|load_time) \d+ (?=.*\b(?:tag|created_by_uid) )")]
    private static partial Regex WhenLoaded();

    private static bool HasFairQueue()
    {
        using Namespace place = Namespace.Create("probe");
        return place.Execute("tc", "qdisc", "add", "dev", "lo", "root", "fq_codel").ExitCode == 0;
    }
}
