using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

/// <summary>
/// What an interface's driver says of its link, as ethtool(8) shows it. Asked by a socket and not of /sys/class/net, which
/// shows the network namespace that mounted it and not the caller's.
/// </summary>
public static unsafe partial class LinkSettings
{
    private const int AddressFamilyInternet = 2; // AF_INET
    private const int TypeDatagram = 2; // SOCK_DGRAM
    private const int TypeCloseOnExec = 0x80000; // SOCK_CLOEXEC
    private const ulong EthtoolRequest = 0x8946; // SIOCETHTOOL
    private const uint GetLinkSettings = 0x4c; // ETHTOOL_GLINKSETTINGS
    private const uint GetTransmitChecksum = 0x16; // ETHTOOL_GTXCSUM
    private const uint SetTransmitChecksum = 0x17; // ETHTOOL_STXCSUM
    private const uint SpeedUnknown = 0xffff_ffff; // SPEED_UNKNOWN
    private const int NameSize = 16; // IFNAMSIZ

    // Three bit maps of link modes follow the structure, each of at most 127 words of 32 bits: their number is an __s8.
    private const int ModeMapsSize = 3 * sbyte.MaxValue * sizeof(uint);
    private const ulong BitsInMegabit = 1_000_000;

    /// <summary>
    /// Link speed in bits per second of an interface in the calling thread's namespace; null where it is not known: there
    /// is no such interface, its driver cannot or does not want to tell (a bridge without ports, a link that is down, virtio
    /// unless it is configured), or the kernel is older than 4.6. A veth always claims 10 Gbit/s.
    /// </summary>
    /// <exception cref="LinuxException">No socket can be opened.</exception>
    public static ulong? ReadSpeed(string interfaceName)
    {
        var request = default(InterfaceRequest);
        if (interfaceName.Length >= NameSize || !Encoding.UTF8.TryGetBytes(interfaceName, new Span<byte>(request.Name, NameSize - 1), out _))
        {
            return null;
        }

        using var handle = OpenSocket();
        var descriptor = (int)handle.DangerousGetHandle();
        var buffer = stackalloc byte[sizeof(EthtoolLinkSettings) + ModeMapsSize];
        var settings = (EthtoolLinkSettings*)buffer;
        request.Data = (nint)buffer;

        // Asked with no maps the kernel answers how many words each has, as a negative number, and nothing else.
        *settings = new EthtoolLinkSettings { Command = GetLinkSettings };
        if (!TryControl(descriptor, &request) || settings->ModeMapWords >= 0)
        {
            return null;
        }

        *settings = new EthtoolLinkSettings { Command = GetLinkSettings, ModeMapWords = (sbyte)-settings->ModeMapWords };
        return TryControl(descriptor, &request) && settings->ModeMapWords > 0 && settings->Speed is not (0 or SpeedUnknown)
            ? settings->Speed * BitsInMegabit
            : null;
    }

    /// <summary>
    /// Equivalent to: <c>ethtool -K NAME tx off</c>: the kernel fills in the checksums, and cuts the segments, of what leaves by this interface
    /// of the calling thread's namespace.
    /// </summary>
    /// <exception cref="LinuxException">There is no such interface, or it cannot do this.</exception>
    public static void SwitchOffTransmitChecksums(string interfaceName)
    {
        var value = new EthtoolValue { Command = SetTransmitChecksum };
        if (!TryExchange(interfaceName, ref value))
        {
            throw LinuxException.FromLastError($"switch off the transmit checksum offload of {interfaceName}");
        }
    }

    /// <summary>Whether checksums of what leaves by this interface are left to others to fill in; false where the interface does not tell.</summary>
    /// <exception cref="LinuxException">No socket can be opened.</exception>
    public static bool LeavesChecksums(string interfaceName)
    {
        var value = new EthtoolValue { Command = GetTransmitChecksum };
        return TryExchange(interfaceName, ref value) && value.Data != 0;
    }

    private static bool TryExchange(string interfaceName, ref EthtoolValue value)
    {
        var request = default(InterfaceRequest);
        if (interfaceName.Length >= NameSize || !Encoding.UTF8.TryGetBytes(interfaceName, new Span<byte>(request.Name, NameSize - 1), out _))
        {
            Marshal.SetLastPInvokeError((int)Errno.NoSuchDevice);
            return false;
        }

        using var handle = OpenSocket();
        fixed (EthtoolValue* pointer = &value)
        {
            request.Data = (nint)pointer;
            return TryControl((int)handle.DangerousGetHandle(), &request);
        }
    }

    private static SafeFileHandle OpenSocket()
    {
        var descriptor = Socket(AddressFamilyInternet, TypeDatagram | TypeCloseOnExec, 0);
        return descriptor < 0
            ? throw LinuxException.FromLastError("open a socket for ethtool")
            : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    // Drivers fail with whatever their hardware gave them, and an answer that cannot be had is an unknown speed.
    private static bool TryControl(int descriptor, InterfaceRequest* request) =>
        Libc.IoControl(descriptor, EthtoolRequest, (nint)request) >= 0;

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int Socket(int domain, int type, int protocol);
}

/// <summary>struct ifreq of linux/if.h, with the pointer of its union.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct InterfaceRequest
{
    public fixed byte Name[16]; // ifr_name
    public nint Data; // ifr_data
    public fixed byte Rest[16];
}

/// <summary>struct ethtool_value of linux/ethtool.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EthtoolValue
{
    public uint Command; // cmd
    public uint Data; // data
}

/// <summary>struct ethtool_link_settings of linux/ethtool.h, without the bit maps behind it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct EthtoolLinkSettings
{
    public uint Command; // cmd
    public uint Speed; // speed, in Mbit/s
    public byte Duplex; // duplex
    public byte Port; // port
    public byte PhyAddress; // phy_address
    public byte AutoNegotiation; // autoneg
    public byte MdioSupport; // mdio_support
    public byte CrossoverStatus; // eth_tp_mdix
    public byte CrossoverControl; // eth_tp_mdix_ctrl
    public sbyte ModeMapWords; // link_mode_masks_nwords
    public byte Transceiver; // transceiver
    public byte MasterSlaveConfiguration; // master_slave_cfg
    public byte MasterSlaveState; // master_slave_state
    public byte RateMatching; // rate_matching
    public fixed uint Reserved[7]; // reserved
}
