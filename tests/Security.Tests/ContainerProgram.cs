using CniIsolator.Testbed;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Security.Tests;

/// <summary>A BPF program that a container's root attaches to its own interface; gone with its disposal.</summary>
public sealed class ContainerProgram : IDisposable
{
    private const uint DriverMode = 4; // XDP_FLAGS_DRV_MODE
    private const uint GenericMode = 2; // XDP_FLAGS_SKB_MODE

    private readonly SafeFileHandle _program;
    private readonly SafeFileHandle _link;

    private ContainerProgram(SafeFileHandle program, SafeFileHandle link) => (_program, _link) = (program, link);

    /// <summary>XDP by the driver, or by the kernel's generic code.</summary>
    public static ContainerProgram AttachXdp(Namespace place, string device, bool driver, params ulong[] instructions) =>
        Attach(place, device, BpfCalls.ExpressDataPath, BpfCalls.Xdp, driver ? DriverMode : GenericMode, instructions);

    /// <summary>The hook before all filters of tc, kernel 6.6.</summary>
    public static ContainerProgram AttachTcx(Namespace place, string device, bool egress, params ulong[] instructions) =>
        Attach(place, device, BpfCalls.TrafficClassifier, egress ? BpfCalls.TcxEgress : BpfCalls.TcxIngress, 0, instructions);

    /// <summary>The verdict alone.</summary>
    public static ulong[] Verdict(int verdict) => [0xb7UL | ((ulong)(uint)verdict << 32), 0x95];

    /// <summary>bpf_redirect, whose verdict is the program's.</summary>
    public static ulong[] Redirect(int index, int flags = 0) => [0x01b7UL | ((ulong)index << 32), 0x02b7UL | ((ulong)flags << 32), 0x0000_0017_0000_0085, 0x95];

    /// <summary>Overwrites two bytes of each IPv4 packet, as tc's pedit would, and lets it pass.</summary>
    /// <param name="at">From the Ethernet header on.</param>
    /// <param name="value">In network byte order.</param>
    public static ulong[] Rewrite(int at, ushort value) =>
    [
        0x0010_1261, // r2 = protocol
        0x0000_0008_0008_0255, // not IPv4: pass
        0xb7UL | ((ulong)(ushort)((value >> 8) | (value << 8)) << 32), // r0 = value
        0xfff8_0a6b, // u16 at -8 = r0
        0x02b7UL | ((ulong)at << 32), // r2 = at
        0xa3bf, // r3 = stack
        0xffff_fff8_0000_0307, // r3 -= 8
        0x0000_0002_0000_04b7, // r4 = 2
        0x05b7, // r5 = 0
        0x0000_0009_0000_0085, // bpf_skb_store_bytes
        0xb7, // r0 = TCX_PASS
        0x95,
    ];

    public void Dispose()
    {
        _link.Dispose();
        _program.Dispose();
    }

    private static ContainerProgram Attach(Namespace place, string device, uint type, uint hook, uint flags, ulong[] instructions) => place.Run(() =>
    {
        SafeFileHandle program = new(BpfCalls.Load(type, instructions), ownsHandle: true);
        return new ContainerProgram(program, new SafeFileHandle(BpfCalls.Link((int)program.DangerousGetHandle(), device, hook, flags), ownsHandle: true));
    });
}
