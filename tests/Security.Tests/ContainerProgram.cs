using System.ComponentModel;
using System.Runtime.InteropServices;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>A BPF program that a container's root attaches to its own interface; gone with its disposal.</summary>
public sealed unsafe partial class ContainerProgram : IDisposable
{
    private const int Load = 5; // BPF_PROG_LOAD
    private const int CreateLink = 28; // BPF_LINK_CREATE
    private const nint Call = 321; // __NR_bpf of x86_64

    private readonly int _program;
    private readonly int _link;

    private ContainerProgram(int program, int link) => (_program, _link) = (program, link);

    /// <summary>XDP by the driver, or by the kernel's generic code.</summary>
    public static ContainerProgram AttachXdp(Namespace place, string device, bool driver, params ulong[] instructions) =>
        Attach(place, device, 6, 37, driver ? 4u : 2u, instructions); // BPF_PROG_TYPE_XDP, BPF_XDP, XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE

    /// <summary>The hook before all filters of tc, kernel 6.6.</summary>
    public static ContainerProgram AttachTcx(Namespace place, string device, bool egress, params ulong[] instructions) =>
        Attach(place, device, 3, egress ? 47u : 46u, 0, instructions); // BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_EGRESS or BPF_TCX_INGRESS

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
        _ = Close(_link);
        _ = Close(_program);
    }

    private static ContainerProgram Attach(Namespace place, string device, uint type, uint hook, uint flags, ulong[] instructions) => place.Run(() =>
    {
        uint* link = stackalloc uint[16];
        uint* load = stackalloc uint[32];
        new Span<uint>(link, 16).Clear();
        new Span<uint>(load, 32).Clear();
        fixed (ulong* code = instructions)
        fixed (byte* license = "GPL\0"u8)
        {
            (load[0], load[1], *(ulong*)(load + 2), *(ulong*)(load + 4)) = (type, (uint)instructions.Length, (ulong)code, (ulong)license);
            int program = Check((int)SystemCall(Call, Load, load, 128), "load the program");
            (link[0], link[1], link[2], link[3]) = ((uint)program, (uint)InterfaceIndex(device), hook, flags);
            return new ContainerProgram(program, Check((int)SystemCall(Call, CreateLink, link, 64), $"attach the program to {device}"));
        }
    });

    private static int Check(int result, string what) => result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError(), what);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint command, uint* attributes, nuint size);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "if_nametoindex", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int InterfaceIndex(string name);
}
