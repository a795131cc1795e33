using System.Runtime.InteropServices;

namespace CniIsolator.Netlink.Protocol;

/// <summary>struct nlmsghdr of linux/netlink.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct NetlinkHeader
{
    public uint Length; // nlmsg_len: whole message, header included
    public ushort Type; // nlmsg_type
    public MessageFlags Flags; // nlmsg_flags
    public uint Sequence; // nlmsg_seq
    public uint PortId; // nlmsg_pid
}

/// <summary>Flags of nlmsghdr. Source: linux/netlink.h.</summary>
[Flags]
public enum MessageFlags : ushort
{
    None = 0,
    Request = 0x1, // NLM_F_REQUEST
    Multipart = 0x2, // NLM_F_MULTI
    Acknowledge = 0x4, // NLM_F_ACK
    Echo = 0x8, // NLM_F_ECHO
    DumpInterrupted = 0x10, // NLM_F_DUMP_INTR
    Root = 0x100, // NLM_F_ROOT
    Match = 0x200, // NLM_F_MATCH
    Dump = 0x300, // NLM_F_DUMP
    Replace = 0x100, // NLM_F_REPLACE
    Exclusive = 0x200, // NLM_F_EXCL
    Create = 0x400, // NLM_F_CREATE
    Append = 0x800, // NLM_F_APPEND
    AckCapped = 0x100, // NLM_F_CAPPED
    AckAttributes = 0x200, // NLM_F_ACK_TLVS
}

/// <summary>Message types below NLMSG_MIN_TYPE. Source: linux/netlink.h.</summary>
public enum ControlMessageType : ushort
{
    Noop = 1, // NLMSG_NOOP
    Error = 2, // NLMSG_ERROR
    Done = 3, // NLMSG_DONE
    Overrun = 4, // NLMSG_OVERRUN
}

/// <summary>Attributes behind an acknowledgement. Source: enum nlmsgerr_attrs of linux/netlink.h.</summary>
public enum ErrorAttribute : ushort
{
    Message = 1, // NLMSGERR_ATTR_MSG
    Offset = 2, // NLMSGERR_ATTR_OFFS
}

/// <summary>Netlink protocols. Source: linux/netlink.h.</summary>
public enum NetlinkFamily
{
    Route = 0, // NETLINK_ROUTE
    SocketDiagnostics = 4, // NETLINK_SOCK_DIAG
}
