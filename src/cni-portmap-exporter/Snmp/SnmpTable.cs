namespace CniIsolator.Exporter.Snmp;

/// <summary>
/// A table of /proc/net/snmp and those of its fields that a Mesos agent has (<c>SNMPStatistics</c> of its mesos.proto); the kernel's
/// names (net/ipv4/proc.c), which are mostly those of RFC 1213.
/// </summary>
internal sealed class SnmpTable
{
    public static readonly SnmpTable Ip = new(
        "Ip",
        0,
        "Forwarding", "DefaultTTL", "InReceives", "InHdrErrors", "InAddrErrors", "ForwDatagrams", "InUnknownProtos", "InDiscards", "InDelivers",
        "OutRequests", "OutDiscards", "OutNoRoutes", "ReasmTimeout", "ReasmReqds", "ReasmOKs", "ReasmFails", "FragOKs", "FragFails", "FragCreates");

    public static readonly SnmpTable Icmp = new(
        "Icmp",
        Ip.End,
        "InMsgs", "InErrors", "InCsumErrors", "InDestUnreachs", "InTimeExcds", "InParmProbs", "InSrcQuenchs", "InRedirects", "InEchos", "InEchoReps",
        "InTimestamps", "InTimestampReps", "InAddrMasks", "InAddrMaskReps", "OutMsgs", "OutErrors", "OutDestUnreachs", "OutTimeExcds", "OutParmProbs",
        "OutSrcQuenchs", "OutRedirects", "OutEchos", "OutEchoReps", "OutTimestamps", "OutTimestampReps", "OutAddrMasks", "OutAddrMaskReps");

    public static readonly SnmpTable Tcp = new(
        "Tcp",
        Icmp.End,
        "RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn", "ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "CurrEstab", "InSegs", "OutSegs",
        "RetransSegs", "InErrs", "OutRsts", "InCsumErrors");

    public static readonly SnmpTable Udp = new(
        "Udp",
        Tcp.End,
        "InDatagrams", "NoPorts", "InErrors", "OutDatagrams", "RcvbufErrors", "SndbufErrors", "InCsumErrors", "IgnoredMulti");

    public static readonly SnmpTable[] All = [Ip, Icmp, Tcp, Udp];

    private SnmpTable(string name, int first, params string[] fields)
    {
        Name = name;
        First = first;
        Fields = fields;
    }

    /// <summary>As in the file.</summary>
    public string Name { get; }

    /// <summary>Where its fields begin among those of all tables.</summary>
    public int First { get; }

    /// <summary>In the kernel's order.</summary>
    public string[] Fields { get; }

    /// <summary>One past its last field among those of all tables.</summary>
    public int End => First + Fields.Length;
}
