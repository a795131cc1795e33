using System.Runtime.InteropServices;
using System.Text;

namespace CniIsolator.Testbed;

/// <summary>
/// A BPF program as other network plugins put them on devices: it lets every packet go on. It stays where it was attached until its device goes.
/// </summary>
public static unsafe partial class ClassifierProgram
{
    private const int Load = 5; // BPF_PROG_LOAD
    private const int Pin = 6; // BPF_OBJ_PIN
    private const int Attach = 8; // BPF_PROG_ATTACH
    private const uint TrafficClassifier = 3; // BPF_PROG_TYPE_SCHED_CLS
    private const uint TcxIngress = 46; // BPF_TCX_INGRESS
    private const uint TcxEgress = 47; // BPF_TCX_EGRESS

    // "r0 = -1; exit": TC_ACT_UNSPEC, and TCX_NEXT likewise, have the next one decide.
    private static readonly ulong[] Next = [0xffff_ffff_0000_00b7, 0x0000_0000_0000_0095];

    /// <summary>Attaches it as a filter in direct action, by way of a file in a BPF file system of its own as `tc` wants it.</summary>
    public static void AddFilter(Namespace place, string device, string hook, int priority, string name)
    {
        ArgumentNullException.ThrowIfNull(place);
        string directory = Directory.CreateTempSubdirectory($"{Namespace.Prefix}{Environment.ProcessId}-bpf").FullName;
        try
        {
            Native.Check(Native.Mount("bpf", directory, "bpf", 0, 0), $"mount bpf on {directory}");
            string path = Path.Combine(directory, name);
            int program = LoadNext(name);
            try
            {
                fixed (byte* file = Encoding.UTF8.GetBytes(path + '\0'))
                {
                    PinAttributes pin = new() { Path = (ulong)file, Program = (uint)program };
                    Native.Check((int)SystemCall(Number, Pin, &pin, (nuint)sizeof(PinAttributes)), $"pin {path}");
                }
            }
            finally
            {
                _ = Native.Close(program);
            }

            place.Tc($"filter add dev {device} {hook} protocol all prio {priority} bpf da object-pinned {path}");
        }
        finally
        {
            _ = Native.Unmount(directory, Native.UnmountDetach);
            Directory.Delete(directory);
        }
    }

    /// <summary>Attaches it by tcx (kernel 6.6), before all filters. False where this kernel has no tcx.</summary>
    public static bool TryAttach(Namespace place, string device, bool ingress, string name)
    {
        ArgumentNullException.ThrowIfNull(place);
        return place.Run(() =>
        {
            int program = LoadNext(name);
            AttachAttributes attach = new()
            {
                Device = (uint)Native.InterfaceIndex(device),
                Program = (uint)program,
                Place = ingress ? TcxIngress : TcxEgress,
            };
            nint result = SystemCall(Number, Attach, &attach, (nuint)sizeof(AttachAttributes));
            _ = Native.Close(program);
            return result >= 0;
        });
    }

    private static int LoadNext(string name)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(name.Length, 15, nameof(name));
        fixed (ulong* instructions = Next)
        fixed (byte* license = "Apache-2.0\0"u8)
        {
            LoadAttributes load = new()
            {
                Type = TrafficClassifier,
                InstructionCount = (uint)Next.Length,
                Instructions = (ulong)instructions,
                License = (ulong)license,
            };
            Encoding.ASCII.GetBytes(name, new Span<byte>(load.Name, 15));
            return Native.Check((int)SystemCall(Number, Load, &load, (nuint)sizeof(LoadAttributes)), "load a BPF program");
        }
    }

    // __NR_bpf; libc has no function of that name.
    private static nint Number => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 321 : 280;

    /// <summary>The head of union bpf_attr for BPF_PROG_LOAD, up to the name. Source: linux/bpf.h.</summary>
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
        public fixed byte Name[16]; // prog_name
    }

    /// <summary>Union bpf_attr for BPF_OBJ_PIN.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PinAttributes
    {
        public ulong Path; // pathname
        public uint Program; // bpf_fd
        public uint Flags; // file_flags
    }

    /// <summary>Union bpf_attr for BPF_PROG_ATTACH.</summary>
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

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint command, void* attributes, nuint size);
}
