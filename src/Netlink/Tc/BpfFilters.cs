using System.Net;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tc;

/// <summary>Operations on bpf filters.</summary>
public static class BpfFilters
{
    internal const uint DirectAction = 1; // TCA_BPF_FLAG_ACT_DIRECT

    /// <summary>
    /// Equivalent to: <c>tc filter add dev INDEX parent PARENT protocol PROTOCOL prio PRIORITY bpf da fd PROGRAM name NAME</c>:
    /// what the program returns is the verdict.
    /// </summary>
    public static void Add(NetlinkBatch batch, FilterAttachment at, int program, string name, string operation)
    {
        using var message = batch.Message((ushort)RouteMessage.NewFilter, MessageFlags.Create | MessageFlags.Exclusive, operation);
        message.Structure(new TcHeader
        {
            Index = at.Index,
            Parent = at.Parent,
            Info = ((uint)at.Priority << 16) | (ushort)IPAddress.HostToNetworkOrder((short)at.Protocol),
        });
        message.Attribute(TcAttribute.Kind, "bpf");
        using var options = message.Nested(TcAttribute.Options);
        message.Attribute(BpfAttribute.Program, (uint)program);
        message.Attribute(BpfAttribute.Name, name);
        message.Attribute(BpfAttribute.Flags, DirectAction);
    }
}
