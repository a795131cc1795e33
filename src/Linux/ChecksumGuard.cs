// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
using static CniIsolator.Linux.BpfInstruction;

namespace CniIsolator.Linux;

/// <summary>
/// Classifiers that drop packets whose sender has left to others to fill in a checksum, at a place that is not that of the checksum. A packet socket
/// with PACKET_VNET_HDR (linux/if_packet.h) may name any place behind the Ethernet header, and who rewrites headers behind a socket moves what lies
/// at the place that the socket has named. The number is computed when the packet leaves the machine: behind all filters, which have then let
/// pass another port or address than the one that leaves.
/// </summary>
internal static class ChecksumGuard
{
    /// <summary>Programs with a license of another name are refused the functions that look into the kernel's memory.</summary>
    public static ReadOnlySpan<byte> License => "Dual BSD/GPL\0"u8;

    private const int Pass = -1; // TC_ACT_UNSPEC: the next filter decides
    private const int Drop = 2; // TC_ACT_SHOT

    private const int StoreBytes = 9; // bpf_skb_store_bytes
    private const int ReplaceChecksum = 11; // bpf_l4_csum_replace
    private const int LoadBytes = 26; // bpf_skb_load_bytes
    private const int ReadKernel = 113; // bpf_probe_read_kernel, kernel 5.5

    private const int Partial = 3; // of the kernel alone: CHECKSUM_PARTIAL
    private const int ProtocolOfPacket = 16; // protocol of struct __sk_buff
    private const int InternetProtocol = 0x0008; // as it stands in the packet: ETH_P_IP
    private const int EthernetHeader = 14; // ETH_HLEN
    private const int FragmentOffset = 0xff1f; // the bits of it, as they stand in the packet
    private const int UdpHeader = 8;
    private const int HeaderBytes = 16;

    // The kernel gives a program 512 bytes of stack.
    private const int LongestSpan = 512 - HeaderBytes;

    /// <summary>
    /// Looks at the place itself. What is still to be filled in has to start exactly behind the IPv4 header, where the policing filters look for
    /// ports, and to go where TCP, UDP and SCTP have their checksums; or to be of a packet in a tunnel by UDP, behind UDP's header. Null where the
    /// layout is none that a program can be made of.
    /// </summary>
    public static ulong[]? LookingAtThePlace(SocketBufferLayout layout)
    {
        if (!layout.IsPlausible)
        {
            return null;
        }

        // All fields by one read, of whole words as the verifier wants them on the stack.
        int[] begins = [layout.State, layout.Start, layout.Place, layout.Head, layout.Data, layout.Tunnel];
        var first = begins.Min() / 8 * 8;
        var span = (begins.Max() / 8 * 8) + 8 - first;
        if (span > LongestSpan)
        {
            return null;
        }

        int At(int field) => field - first - span;
        var header = -span - HeaderBytes;

        // A tunnel's driver alone sets the flag. In UDP's payload nothing stands that the filters have looked at.
        ulong[] tunnelled =
        [
            Load8(1, Stack, header + 9),
            .. DropUnless(1, 17), // IPPROTO_UDP
            Load8(1, Stack, At(layout.Tunnel)),
            ShiftRight(1, layout.TunnelShift),
            And(1, 1),
            .. DropUnless(1, 1),
            SkipIfAtLeast(7, UdpHeader, 2),
            .. Return(Drop),
            .. Return(Pass),
        ];
        return
        [
            Copy(6, 1), // r6 = packet
            Copy(3, 1), // probe_read_kernel(stack, span, packet + first)
            Add(3, first),
            Copy(1, Stack),
            Add(1, -span),
            Set(2, span),
            Call(ReadKernel),
            .. DropUnless(0, 0),

            // Nothing to be filled in: whatever stands in the packet stays.
            Load8(1, Stack, At(layout.State)),
            ShiftRight(1, layout.StateShift),
            And(1, 3),
            SkipIf(1, Partial, 2),
            .. Return(Pass),

            Load32(1, 6, ProtocolOfPacket),
            .. DropUnless(1, InternetProtocol),
            Copy(1, 6), // skb_load_bytes(packet, 14, header, 10)
            Set(2, EthernetHeader),
            Copy(3, Stack),
            Add(3, header),
            Set(4, 10),
            Call(LoadBytes),
            .. DropUnless(0, 0),
            Load16(1, Stack, header + 6),
            And(1, FragmentOffset),
            .. DropUnless(1, 0),

            // Where the checksum starts, counted from the beginning of the frame, is where the IPv4 header ends.
            Load16(7, Stack, At(layout.Start)),
            Load64(1, Stack, At(layout.Data)),
            Load64(2, Stack, At(layout.Head)),
            Subtract(1, 2),
            Subtract(7, 1),
            Load8(2, Stack, header),
            And(2, 15),
            ShiftLeft(2, 2),
            Add(2, EthernetHeader),
            Subtract(7, 2),
            SkipIf(7, 0, tunnelled.Length),
            .. tunnelled,

            // And its place there is the protocol's.
            Load16(8, Stack, At(layout.Place)),
            Load8(1, Stack, header + 9),
            Set(2, 16), // check of struct tcphdr
            SkipIf(1, 6, 6), // IPPROTO_TCP
            Set(2, 6), // check of struct udphdr
            SkipIf(1, 17, 4), // IPPROTO_UDP
            Set(2, 8), // checksum of struct sctphdr
            SkipIf(1, 132, 2), // IPPROTO_SCTP
            .. Return(Drop),
            SkipIfEqual(8, 2, 2),
            .. Return(Drop),
            .. Return(Pass),
        ];
    }

    /// <summary>
    /// For kernels that do not tell where the place stands: drops all that is still to be filled in, whatever the place. Containers have to
    /// compute their checksums themselves then. A function that adjusts a checksum leaves alone what a packet has that is still to be filled in.
    /// So two bytes are adjusted as if they were a checksum, and put back if they have changed; if not, the packet is not finished. Kernel 4.9.
    /// </summary>
    public static ulong[] LettingPassWhatIsFinished =>
    [
        Copy(6, 1), // r6 = packet
        .. LoadTwoBytes(-8),
        .. DropUnless(0, 0),
        Copy(1, 6), // l4_csum_replace(packet, 24, 0, 1, 2)
        Set(2, Adjusted),
        Set(3, 0),
        Set(4, 1),
        Set(5, 2),
        Call(ReplaceChecksum),
        .. DropUnless(0, 0),
        .. LoadTwoBytes(-16),
        .. DropUnless(0, 0),
        Load16(7, Stack, -8),
        Load16(8, Stack, -16),
        SkipIfEqual(7, 8, 8), // to the drop
        Copy(1, 6), // skb_store_bytes(packet, 24, before, 2, 0)
        Set(2, Adjusted),
        Copy(3, Stack),
        Add(3, -8),
        Set(4, 2),
        Set(5, 0),
        Call(StoreBytes),
        SkipIf(0, 0, 2),
        .. Return(Drop),
        .. Return(Pass),
    ];

    // Two bytes that every frame has which the filters behind let pass.
    private const int Adjusted = 24;

    private static ulong[] LoadTwoBytes(int to) => [Copy(1, 6), Set(2, Adjusted), Copy(3, Stack), Add(3, to), Set(4, 2), Call(LoadBytes)];

    private static ulong[] DropUnless(int register, int value) => [SkipIf(register, value, 2), .. Return(Drop)];

    private static ulong[] Return(int verdict) => [Set(0, verdict), Exit];
}
