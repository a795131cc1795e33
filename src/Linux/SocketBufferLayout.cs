namespace CniIsolator.Linux;

/// <summary>
/// Where a packet of the running kernel (struct sk_buff of linux/skbuff.h) has what tells of a checksum that is still to be filled in.
/// All in bytes from the beginning of the structure but the shifts.
/// </summary>
/// <param name="BootId">Of which boot this is: another may be another kernel's.</param>
/// <param name="State">The byte with ip_summed, a field of two bits.</param>
/// <param name="StateShift">The bits of that byte below the field.</param>
/// <param name="Start">csum_start, two bytes: from where on the checksum is computed, counted from <paramref name="Head"/>.</param>
/// <param name="Place">csum_offset, two bytes: where it goes, counted from its start.</param>
/// <param name="Head">head, a pointer: the beginning of the buffer.</param>
/// <param name="Data">data, a pointer: the beginning of the frame.</param>
/// <param name="Tunnel">The byte with encapsulation, a field of one bit: whether the checksum may be that of a packet inside.</param>
/// <param name="TunnelShift">The bits of that byte below the field.</param>
public sealed record SocketBufferLayout(
    string BootId, int State, int StateShift, int Start, int Place, int Head, int Data, int Tunnel, int TunnelShift)
{
    // ip_summed:2
    private const int StateSize = 2;

    // The kernel's is some 230 bytes long.
    private const int Longest = 1024;

    /// <summary>As the kernel tells, or null where it does not. Reads some megabytes: the answer is worth keeping.</summary>
    public static SocketBufferLayout? Read(string path = KernelTypes.DefaultPath) => KernelTypes.Read(path) is { } types ? From(types) : null;

    /// <summary>As some kernel's types tell, or null.</summary>
    internal static SocketBufferLayout? From(KernelTypes types)
    {
        if (types.Find("sk_buff"u8, "ip_summed"u8) is not { Size: StateSize } state
            || types.Find("sk_buff"u8, "encapsulation"u8) is not { Size: 1 } tunnel
            || Bytes("csum_start"u8, 2) is not { } start
            || Bytes("csum_offset"u8, 2) is not { } place
            || Bytes("head"u8, 8) is not { } head
            || Bytes("data"u8, 8) is not { } data)
        {
            return null;
        }

        var layout = new SocketBufferLayout(
            HostIdentity.BootId, state.Offset / 8, state.Offset % 8, start, place, head, data, tunnel.Offset / 8, tunnel.Offset % 8);
        return layout.IsPlausible ? layout : null;

        int? Bytes(ReadOnlySpan<byte> member, int alignment) =>
            types.Find("sk_buff"u8, member) is { Size: 0 } found && found.Offset % (8 * alignment) == 0 ? found.Offset / 8 : null;
    }

    /// <summary>Whether a program can be made of it.</summary>
    internal bool IsPlausible =>
        ((int[])[State, Start, Place, Head, Data, Tunnel]).All(offset => offset is >= 0 and < Longest)
        && StateShift is >= 0 and <= 8 - StateSize
        && TunnelShift is >= 0 and < 8;
}
