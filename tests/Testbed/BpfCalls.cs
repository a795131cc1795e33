using System.Runtime.InteropServices;
using System.Text;

namespace CniIsolator.Testbed;

/// <summary>The few calls of bpf(2) that put programs of others on devices, which are those of the calling thread's namespace. Source of numbers and layouts: linux/bpf.h.</summary>
public static unsafe partial class BpfCalls
{
    public const uint TrafficClassifier = 3; // BPF_PROG_TYPE_SCHED_CLS
    public const uint ExpressDataPath = 6; // BPF_PROG_TYPE_XDP

    public const uint Xdp = 37; // BPF_XDP
    public const uint TcxIngress = 46; // BPF_TCX_INGRESS
    public const uint TcxEgress = 47; // BPF_TCX_EGRESS

    private const int LoadProgram = 5; // BPF_PROG_LOAD
    private const int PinObject = 6; // BPF_OBJ_PIN
    private const int AttachProgram = 8; // BPF_PROG_ATTACH
    private const int CreateLink = 28; // BPF_LINK_CREATE
    private const int LongestName = 15;

    // __NR_bpf; libc has no function of that name.
    private static nint Number => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 321 : 280;

    /// <returns>A descriptor.</returns>
    /// <param name="type">What it is for.</param>
    /// <param name="instructions">The program.</param>
    /// <param name="name">At most 15 characters; may be empty.</param>
    public static int Load(uint type, ulong[] instructions, string name = "")
    {
        ArgumentNullException.ThrowIfNull(instructions);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(name.Length, LongestName, nameof(name));
        fixed (ulong* code = instructions)
        fixed (byte* license = "GPL\0"u8)
        {
            LoadAttributes load = new()
            {
                Type = type,
                InstructionCount = (uint)instructions.Length,
                Instructions = (ulong)code,
                License = (ulong)license,
            };
            Encoding.ASCII.GetBytes(name, new Span<byte>(load.Name, LongestName));
            return Native.Check((int)SystemCall(Number, LoadProgram, &load, (nuint)sizeof(LoadAttributes)), "load a BPF program");
        }
    }

    /// <summary>Gives it a file in a BPF file system.</summary>
    public static void Pin(int program, string path)
    {
        fixed (byte* file = Encoding.UTF8.GetBytes(path + '\0'))
        {
            PinAttributes pin = new() { Path = (ulong)file, Program = (uint)program };
            Native.Check((int)SystemCall(Number, PinObject, &pin, (nuint)sizeof(PinAttributes)), $"pin {path}");
        }
    }

    /// <summary>Attaches it for as long as the device is there.</summary>
    /// <returns>False where this kernel has no such place.</returns>
    public static bool TryAttach(int program, string device, uint place)
    {
        AttachAttributes attach = new() { Device = (uint)Native.InterfaceIndex(device), Program = (uint)program, Place = place };
        return SystemCall(Number, AttachProgram, &attach, (nuint)sizeof(AttachAttributes)) >= 0;
    }

    /// <summary>Attaches it for as long as the descriptor that is returned is open.</summary>
    public static int Link(int program, string device, uint place, uint flags)
    {
        LinkAttributes link = new() { Program = (uint)program, Device = (uint)Native.InterfaceIndex(device), Place = place, Flags = flags };
        return Native.Check((int)SystemCall(Number, CreateLink, &link, (nuint)sizeof(LinkAttributes)), $"attach a BPF program to {device}");
    }

    /// <summary>The head of union bpf_attr for BPF_PROG_LOAD, up to the name.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct LoadAttributes
    {
        public uint Type; // prog_type
        public uint InstructionCount; // insn_cnt
        public ulong Instructions; // insns
        public ulong License; // license
        public uint LogLevel; // log_level
        public uint LogSize; // log_size
        public ulong LogBuffer; // log_buf
        public uint KernelVersion; // kern_version
        public uint Flags; // prog_flags
        public fixed byte Name[LongestName + 1]; // prog_name
    }

    /// <summary>The same for BPF_OBJ_PIN.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PinAttributes
    {
        public ulong Path; // pathname
        public uint Program; // bpf_fd
        public uint Flags; // file_flags
    }

    /// <summary>The same for BPF_PROG_ATTACH.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct AttachAttributes
    {
        public uint Device; // target_ifindex
        public uint Program; // attach_bpf_fd
        public uint Place; // attach_type
        public uint Flags; // attach_flags
        public uint Replaced; // replace_bpf_fd
        public uint Relative; // relative_fd
        public ulong Revision; // expected_revision
    }

    /// <summary>The same for BPF_LINK_CREATE; what follows the flags is that of places which are not used here, and 0.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct LinkAttributes
    {
        public uint Program; // prog_fd
        public uint Device; // target_ifindex
        public uint Place; // attach_type
        public uint Flags; // flags
        public fixed ulong Rest[6];
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint command, void* attributes, nuint size);
}
