using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.DataPath;

namespace CniIsolator.Plugin.Attaching;

/// <summary>What a configuration needs of the kernel beside what every container needs.</summary>
[Flags]
internal enum KernelNeeds
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
internal static class FeatureProbe
{
    public const string FairQueue = "fq_codel (CONFIG_NET_SCH_FQ_CODEL, kernel 3.5)";

    /// <summary>Each missing feature with the option that builds it and the first kernel that had it.</summary>
    /// <param name="needs">What is asked for beside what every container needs.</param>
    public static List<string> FindMissing(KernelNeeds needs) => NetworkNamespace.RunInNew(() =>
    {
        var missing = new List<string>();
        using var connection = NetlinkConnection.Open();
        using var own = NetworkNamespace.OpenCurrent();
        void Try(string feature, Action<NetlinkBatch> use)
        {
            var batch = new NetlinkBatch(1024);
            use(batch);
            if (connection.Execute(batch).Count > 0)
            {
                missing.Add(feature);
            }
        }

        var place = FilterPlaces.Internet(FilterPlaces.Loopback);
        var mac = MacAddress.Parse("02:00:00:00:00:01");
        var first = new VethEnd("probe0", 100);
        Try(
            "veth (CONFIG_VETH, kernel 2.6.24)",
            batch => Links.CreateVeth(batch, first, new VethEnd("probe1", 101), own.Descriptor, mac, 1500));
        var before = missing.Count;
        Try(
            "clsact (CONFIG_NET_SCH_INGRESS, kernel 4.5)",
            batch => Qdiscs.AddClsact(batch, FilterPlaces.Loopback, "probe clsact"));
        if (missing.Count > before)
        {
            return missing; // Without a place for filters the rest would fail whether it is there or not.
        }

        Try(
            "u32 (CONFIG_NET_CLS_U32, kernel 2.6)",
            batch => U32Filters.Add(batch, new U32Table(place, new U32Handle(1, 0, 0), 256), "probe u32"));
        Try(
            "mirred (CONFIG_NET_ACT_MIRRED, kernel 2.6.18)",
            batch => U32Filters.Add(
                batch,
                new U32Node(place, new U32Handle(0, 0, 1), [U32Key.Any]) { Action = Mirred.Redirect(FilterPlaces.Loopback) },
                "probe mirred"));
        if (needs.HasFlag(KernelNeeds.Limits))
        {
            Try(
                "htb (CONFIG_NET_SCH_HTB, kernel 2.4.20)",
                batch => Htb.AddQdisc(batch, FilterPlaces.Loopback, Shaper.Qdisc, Shaper.Settings, "probe htb"));
        }

        if (needs.HasFlag(KernelNeeds.Flows) && LacksFqCodel(connection, first.Index))
        {
            missing.Add(FairQueue);
        }

        return missing;
    });

    /// <summary>Whether what waits behind a limit waits in a plain queue.</summary>
    public static bool LacksFqCodel() => NetworkNamespace.RunInNew(() =>
    {
        using var connection = NetlinkConnection.Open();
        return LacksFqCodel(connection, FilterPlaces.Loopback);
    });

    private static bool LacksFqCodel(NetlinkConnection connection, int index)
    {
        var batch = new NetlinkBatch(256);
        FqCodel.Add(batch, index, TcHandle.Root, Shaper.Leaf, new FqCodelSettings(), "probe fq_codel");
        return connection.Execute(batch).Count > 0;
    }
}
