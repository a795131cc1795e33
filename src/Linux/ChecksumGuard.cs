namespace CniIsolator.Linux;

/// <summary>
/// A classifier that drops packets whose sender has left to others to fill in a checksum, at a place that is no checksum's. A packet socket with
/// PACKET_VNET_HDR (linux/if_packet.h) may name any place behind the Ethernet header, and the number is computed when the packet leaves the
/// machine: behind all filters, which have then let pass another port or address than the one that leaves.
/// </summary>
internal static class ChecksumGuard
{
    // The place is in no field that a program may read. But a function that adjusts a checksum leaves alone what a packet has that is still to
    // be filled in, and one that cuts a packet off refuses, with EINVAL, to cut into it. So: two bytes are adjusted as if they were a checksum,
    // and put back if they have changed. If not, then cutting into the last byte of TCP's, UDP's or SCTP's checksum must be refused. It is refused
    // as well where the place is behind that: such a place is in the payload. Other protocols have no checksum that is left to others.
    // Source of opcodes: Documentation/bpf/standardization/instruction-set.rst; of the functions: linux/bpf.h and net/core/filter.c.
    public static readonly ulong[] Instructions =
    [
        0x0000_0000_0000_16bf, // r6 = packet
        0x0000_0000_0000_61bf, // r1 = packet
        0x0000_0018_0000_02b7, // r2 = 24
        0x0000_0000_0000_a3bf, // r3 = stack
        0xffff_fffc_0000_0307, // r3 -= 4
        0x0000_0002_0000_04b7, // r4 = 2
        0x0000_001a_0000_0085, // bpf_skb_load_bytes
        0x0000_0000_0035_0055, // if (r0 != 0) goto drop
        0x0000_0000_0000_61bf, // r1 = packet
        0x0000_0018_0000_02b7, // r2 = 24
        0x0000_0000_0000_03b7, // r3 = 0
        0x0000_0001_0000_04b7, // r4 = 1
        0x0000_0002_0000_05b7, // r5 = 2
        0x0000_000b_0000_0085, // bpf_l4_csum_replace
        0x0000_0000_002e_0055, // if (r0 != 0) goto drop
        0x0000_0000_0000_61bf, // r1 = packet
        0x0000_0018_0000_02b7, // r2 = 24
        0x0000_0000_0000_a3bf, // r3 = stack
        0xffff_fff8_0000_0307, // r3 -= 8
        0x0000_0002_0000_04b7, // r4 = 2
        0x0000_001a_0000_0085, // bpf_skb_load_bytes
        0x0000_0000_0027_0055, // if (r0 != 0) goto drop
        0x0000_0000_fffc_a769, // r7 = before
        0x0000_0000_fff8_a869, // r8 = after
        0x0000_0000_000a_871d, // if (r7 == r8) goto left
        0x0000_0000_0000_61bf, // r1 = packet
        0x0000_0018_0000_02b7, // r2 = 24
        0x0000_0000_0000_a3bf, // r3 = stack
        0xffff_fffc_0000_0307, // r3 -= 4
        0x0000_0002_0000_04b7, // r4 = 2
        0x0000_0000_0000_05b7, // r5 = 0
        0x0000_0009_0000_0085, // bpf_skb_store_bytes
        0x0000_0000_001c_0055, // if (r0 != 0) goto drop
        0xffff_ffff_0000_00b7, // next: return TC_ACT_UNSPEC
        0x0000_0000_0000_0095, // exit
        0x0000_0000_0010_6161, // left: r1 = protocol
        0x0000_0008_0018_0155, // if (r1 != IPv4) goto drop
        0x0000_0000_0000_61bf, // r1 = packet
        0x0000_000e_0000_02b7, // r2 = 14
        0x0000_0000_0000_a3bf, // r3 = stack
        0xffff_fff0_0000_0307, // r3 -= 16
        0x0000_000a_0000_04b7, // r4 = 10
        0x0000_001a_0000_0085, // bpf_skb_load_bytes
        0x0000_0000_0011_0055, // if (r0 != 0) goto drop
        0x0000_0000_fff0_a771, // r7 = version and length of the header
        0x0000_000f_0000_0757, // r7 &= 15
        0x0000_0002_0000_0767, // r7 <<= 2
        0x0000_0000_fff9_a871, // r8 = transport protocol
        0x0000_0000_0000_72bf, // r2 = r7
        0x0000_001f_0000_0207, // r2 += 14 + 17
        0x0000_0006_0006_0815, // if (r8 == TCP) goto cut
        0x0000_0000_0000_72bf, // r2 = r7
        0x0000_0015_0000_0207, // r2 += 14 + 7
        0x0000_0011_0003_0815, // if (r8 == UDP) goto cut
        0x0000_0000_0000_72bf, // r2 = r7
        0x0000_0017_0000_0207, // r2 += 14 + 9
        0x0000_0084_0004_0855, // if (r8 != SCTP) goto drop
        0x0000_0000_0000_61bf, // cut: r1 = packet
        0x0000_0000_0000_03b7, // r3 = 0
        0x0000_0026_0000_0085, // bpf_skb_change_tail
        0xffff_ffea_ffe4_0015, // if (r0 == -EINVAL) goto next
        0x0000_0002_0000_00b7, // drop: return TC_ACT_SHOT
        0x0000_0000_0000_0095, // exit
    ];
}
