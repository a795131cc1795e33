using System.Runtime.InteropServices;
using System.Text;

namespace CniIsolator.Testbed;

/// <summary>What a device does for the kernel, as a card that can do less.</summary>
public static partial class DeviceFeatures
{
    private const uint SetTransmitChecksum = 0x17; // ETHTOOL_STXCSUM of linux/ethtool.h
    private const uint SetSegmentation = 0x1f; // ETHTOOL_STSO
    private const uint SetGenericSegmentation = 0x24; // ETHTOOL_SGSO
    private const uint ControlDevice = 0x8946; // SIOCETHTOOL

    /// <summary>Has the kernel compute all checksums, and cut all segments, of what leaves by this device.</summary>
    public static void TakeOffloadsAway(Namespace place, string device)
    {
        ArgumentNullException.ThrowIfNull(place);
        place.Run(() =>
        {
            Set(device, SetSegmentation, 0);
            Set(device, SetGenericSegmentation, 0);
            Set(device, SetTransmitChecksum, 0);
        });
    }

    /// <summary>Leaves all checksums of what leaves by this device to whoever sends it on.</summary>
    public static void LeaveChecksums(Namespace place, string device)
    {
        ArgumentNullException.ThrowIfNull(place);
        place.Run(() => Set(device, SetTransmitChecksum, 1));
    }

    private static unsafe void Set(string device, uint command, uint wanted)
    {
        const int Internet = 2;
        const int Datagram = 2;
        uint* value = stackalloc uint[2] { command, wanted };
        byte* request = stackalloc byte[40];
        new Span<byte>(request, 40).Clear();
        Encoding.ASCII.GetBytes(device, new Span<byte>(request, 15));
        *(nint*)(request + 16) = (nint)value;
        int socket = Native.Check(Native.Socket(Internet, Datagram, 0), "socket");
        try
        {
            Native.Check(Control(socket, ControlDevice, request), $"ethtool command {command:x} of {device}");
        }
        finally
        {
            _ = Native.Close(socket);
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static unsafe partial int Control(int descriptor, nuint request, byte* argument);
}
