using CniIsolator.DataPath;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState;

/// <summary>What a configuration needs of the kernel beside what every container needs.</summary>
[Flags]
public enum KernelNeeds
{
    None = 0,

    /// <summary>A limit: htb. Not fq_codel, without which there is still a limit.</summary>
    Limits = 1,

    /// <summary>A queue for each container on the master: fq_codel.</summary>
    Flows = 2,
}

/// <summary>
/// Finds out which kernel features are missing, by using each one in a fresh network namespace that ends with the probe.
/// Asked only after something failed, and by STATUS, so that a successful ADD does not pay for it.
/// </summary>
public static class FeatureProbe
{
    public const string FairQueue = "fq_codel (CONFIG_NET_SCH_FQ_CODEL, kernel 3.5)";

    public const string NoPacketLayout = "the kernel does not tell where a packet's checksum is filled in (CONFIG_DEBUG_INFO_BTF, kernel 5.5, no lockdown)";

    /// <summary>The error for what the kernel refused: 104 where it lacks something, which is named, else 107.</summary>
    /// <param name="needs">What is asked for beside what every container needs.</param>
    /// <param name="what">What failed, and what became of it.</param>
    /// <param name="cause">Why.</param>
    /// <param name="left">What else there is to say, or null.</param>
    public static IsolationException Explain(KernelNeeds needs, string what, Exception cause, string? left)
    {
        var details = left is null ? cause.Message : $"{cause.Message}; {left}";
        var missing = FindMissingIfPossible(needs);
        return missing.Count > 0
            ? new IsolationException(IsolationFault.FeatureMissing, $"the kernel lacks {string.Join(", ", missing)}", details, cause)
            : new IsolationException(IsolationFault.RolledBack, $"{what}: {cause.Message}", details, cause);
    }

    // Something else failed, and has to be told in any case: where the kernel cannot be asked, nothing is known to be missing.
    private static List<string> FindMissingIfPossible(KernelNeeds needs)
    {
        try
        {
            return FindMissing(needs);
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>Each missing feature with the option that builds it and the first kernel that had it.</summary>
    /// <param name="needs">What is asked for beside what every container needs.</param>
    /// <exception cref="IOException">The kernel cannot be asked: no right to, or no memory.</exception>
    public static List<string> FindMissing(KernelNeeds needs)
    {
        var missing = Ask(needs).Missing;
        if (needs.HasFlag(KernelNeeds.Flows) && LacksFqCodel())
        {
            missing.Add(FairQueue);
        }

        return missing;
    }

    /// <summary>Each feature beside fq_codel that is there, and each that is missing; one that needs a missing one is neither.</summary>
    /// <param name="needs">What is asked for beside what every container needs.</param>
    /// <exception cref="IOException">The kernel cannot be asked: no right to, or no memory.</exception>
    public static (List<string> Present, List<string> Missing) Ask(KernelNeeds needs) => NetworkNamespace.RunInNew(() => AskBesideFqCodel(needs));

    /// <summary>Whether the host's stack has to drop what no filter lets a container send.</summary>
    public static bool LacksDrop() => NetworkNamespace.RunInNew(() =>
    {
        using var drop = BpfProgram.TryLoadDrop();
        if (drop is null)
        {
            return true;
        }

        using var connection = NetlinkConnection.Open();
        var batch = new NetlinkBatch(512);
        Qdiscs.AddClsact(batch, Hooks.Loopback, "probe clsact");
        BpfFilters.Add(batch, Hooks.Drop(Hooks.Loopback), drop.Descriptor, "probe", "probe bpf");
        return connection.Execute(batch).Count > 0;
    });

    /// <summary>Whether containers have to compute the checksums of what they send themselves.</summary>
    public static bool NeedsFinishedChecksums()
    {
        using var programs = HostEndPrograms.Load();
        return programs.NeedsFinished;
    }

    /// <summary>Whether what waits behind a limit waits in a plain queue.</summary>
    public static bool LacksFqCodel() => NetworkNamespace.RunInNew(() =>
    {
        using var connection = NetlinkConnection.Open();
        var batch = new NetlinkBatch(256);
        FqCodel.Add(batch, Hooks.Loopback, TcHandle.Root, Shaper.Leaf, new FqCodelSettings(), "probe fq_codel");
        return connection.Execute(batch).Count > 0;
    });

    // A kernel without a feature does not know its name; these say something about the caller, or about now.
    private static bool IsOfTheMoment(Errno errno) =>
        errno is Errno.NotPermitted or Errno.AccessDenied or Errno.OutOfMemory or Errno.NoBufferSpace or Errno.Busy or Errno.Interrupted;

    private static (List<string> Present, List<string> Missing) AskBesideFqCodel(KernelNeeds needs)
    {
        var (present, missing) = (new List<string>(), new List<string>());
        using var connection = NetlinkConnection.Open();
        using var own = NetworkNamespace.OpenCurrent();
        bool Try(string feature, Action<NetlinkBatch> use)
        {
            var batch = new NetlinkBatch(1024);
            use(batch);
            var failures = connection.Execute(batch);
            if (failures.Count > 0 && IsOfTheMoment(failures[0].Errno))
            {
                throw failures[0].ToException();
            }

            (failures.Count == 0 ? present : missing).Add(feature);
            return failures.Count == 0;
        }

        var place = Hooks.Internet(Hooks.Loopback);
        var mac = MacAddress.Parse("02:00:00:00:00:01");
        Try(
            "veth (CONFIG_VETH, kernel 2.6.24)",
            batch => Links.CreateVeth(batch, new VethEnd("probe0", 100), new VethEnd("probe1", 101), own.Descriptor, mac, 1500));

        // Each needs the one before it: behind a missing one, the others fail whether they are there or not.
        _ = Try(
            "clsact (CONFIG_NET_SCH_INGRESS, kernel 4.5)",
            batch => Qdiscs.AddClsact(batch, Hooks.Loopback, "probe clsact"))
            && Try(
                "u32 (CONFIG_NET_CLS_U32, kernel 2.6)",
                batch => U32Filters.Add(batch, new U32Table(place, new U32Handle(1, 0, 0), 256), "probe u32"))
            && Try(
                "mirred (CONFIG_NET_ACT_MIRRED, kernel 2.6.18)",
                batch => U32Filters.Add(
                    batch,
                    new U32Node(place, new U32Handle(0, 0, 1), [U32Key.Any]) { Action = Mirred.Redirect(Hooks.Loopback) },
                    "probe mirred"));
        if (needs.HasFlag(KernelNeeds.Limits))
        {
            Try(
                "htb (CONFIG_NET_SCH_HTB, kernel 2.4.20)",
                batch => Htb.AddQdisc(batch, Hooks.Loopback, Shaper.Qdisc, Shaper.Settings, "probe htb"));
        }

        return (present, missing);
    }
}
