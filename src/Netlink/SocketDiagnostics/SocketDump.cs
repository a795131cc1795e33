using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.SocketDiagnostics;

/// <summary>A dump of the sockets of one address family and protocol.</summary>
internal static class SocketDump
{
    private const ushort ByFamily = 20; // SOCK_DIAG_BY_FAMILY
    private const ushort OldTcp = 18; // TCPDIAG_GETSOCK

    public static NetlinkBatch Request(DiagnosticsRequest wanted, string operation)
    {
        var request = new NetlinkBatch(256);
        using var message = request.Message(ByFamily, MessageFlags.Dump, operation);
        message.Structure(wanted);
        return request;
    }

    /// <summary>The same of TCP and both families.</summary>
    public static NetlinkBatch Request(OldDiagnosticsRequest wanted, string operation)
    {
        var request = new NetlinkBatch(256);
        using var message = request.Message(OldTcp, MessageFlags.Dump, operation);
        message.Structure(wanted);
        return request;
    }

    /// <summary>Whether the kernel has diagnostics of the protocol; without them it says one of these errors.</summary>
    public static bool Run(NetlinkConnection connection, NetlinkBatch request, NetlinkConnection.MessageHandler handler, Action restart)
    {
        try
        {
            connection.Dump(request, handler, restart);
            return true;
        }
        catch (NetlinkException e) when (e.Errno is Errno.NoEntry or Errno.NotSupported or Errno.Invalid)
        {
            return false;
        }
    }
}
