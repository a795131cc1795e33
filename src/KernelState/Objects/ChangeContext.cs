using CniIsolator.Netlink.Protocol;

namespace CniIsolator.KernelState.Objects;

/// <summary>What objects need of their surroundings when they are made.</summary>
/// <param name="batch">Takes the messages.</param>
/// <param name="hostNamespace">Descriptor of the host's namespace, where the far end of a veth is made; -1 where none is.</param>
/// <param name="programs">The loaded programs; null where no filter with one is made.</param>
internal sealed class ChangeContext(NetlinkBatch batch, int hostNamespace, HostEndPrograms? programs)
{
    public NetlinkBatch Batch => batch;

    public int HostNamespace => hostNamespace;

    public HostEndPrograms? Programs => programs;
}
