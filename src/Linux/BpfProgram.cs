using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

/// <summary>A program for the kernel's BPF machine, loaded and held by a descriptor.</summary>
public sealed unsafe partial class BpfProgram : IDisposable
{
    private const int Load = 5; // BPF_PROG_LOAD
    private const int GetInformation = 15; // BPF_OBJ_GET_INFO_BY_FD
    private const uint TrafficClassifier = 3; // BPF_PROG_TYPE_SCHED_CLS

    // "r0 = 2; exit": the verdict TC_ACT_SHOT for every packet. Source: Documentation/bpf/standardization/instruction-set.rst.
    private static readonly ulong[] Drop = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

    private readonly SafeFileHandle _handle;

    private BpfProgram(SafeFileHandle handle)
    {
        _handle = handle;
        Tag = ReadTag((int)handle.DangerousGetHandle());
    }

    /// <summary>
    /// The kernel's digest of the instructions, as it shows it of a filter with this program: 16 hexadecimal digits. Null before kernel 4.13.
    /// </summary>
    public string? Tag { get; }

    /// <summary>For the attribute that hands the program to a filter. Valid until disposal.</summary>
    public int Descriptor => (int)_handle.DangerousGetHandle();

    /// <summary>
    /// A classifier that drops whatever it is given, or null where this kernel has no BPF or does not let us use it.
    /// Needed since the action made for this, gact, is a module that not every kernel has.
    /// </summary>
    public static BpfProgram? TryLoadDrop() => TryLoad(Drop, "Apache-2.0\0"u8);

    /// <summary>
    /// A classifier that drops what would have a checksum filled in at the wrong place. Null as above, where the layout is of no use, before kernel 5.5,
    /// and where the kernel lets nobody look into its memory (lockdown).
    /// </summary>
    public static BpfProgram? TryLoadChecksumGuard(SocketBufferLayout layout) =>
        ChecksumGuard.LookingAtThePlace(layout) is { } instructions ? TryLoad(instructions, ChecksumGuard.License) : null;

    /// <summary>A classifier that drops what has a checksum still to be filled in, wherever; null as above, and before kernel 4.9.</summary>
    public static BpfProgram? TryLoadFinishedGuard() => TryLoad(ChecksumGuard.LettingPassWhatIsFinished, ChecksumGuard.License);

    private static BpfProgram? TryLoad(ulong[] program, ReadOnlySpan<byte> licenseText)
    {
        fixed (ulong* instructions = program)
        fixed (byte* license = licenseText)
        {
            var attributes = new LoadAttributes
            {
                Type = TrafficClassifier,
                InstructionCount = (uint)program.Length,
                Instructions = (ulong)instructions,
                License = (ulong)license,
            };
            var descriptor = SystemCall(Number, Load, &attributes, (uint)sizeof(LoadAttributes));
            return descriptor < 0 ? null : new BpfProgram(new SafeFileHandle((nint)descriptor, ownsHandle: true));
        }
    }

    private static string? ReadTag(int descriptor)
    {
        var information = default(ProgramInformation);
        var attributes = new InformationAttributes
        {
            Descriptor = (uint)descriptor,
            Length = (uint)sizeof(ProgramInformation),
            Information = (ulong)&information,
        };
        return SystemCall(Number, GetInformation, (LoadAttributes*)&attributes, (uint)sizeof(InformationAttributes)) < 0
            ? null
            : Convert.ToHexStringLower(new ReadOnlySpan<byte>(information.Tag, 8));
    }

    public void Dispose() => _handle.Dispose();

    // __NR_bpf; libc has no function of that name.
    private static nint Number => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 321 : 280;

    /// <summary>The head of union bpf_attr for BPF_PROG_LOAD, as in the first kernels that had it. Source: linux/bpf.h.</summary>
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
    }

    /// <summary>The part of union bpf_attr for BPF_OBJ_GET_INFO_BY_FD. Source: linux/bpf.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct InformationAttributes
    {
        public uint Descriptor; // info.bpf_fd
        public uint Length; // info.info_len
        public ulong Information; // info.info
    }

    /// <summary>The head of struct bpf_prog_info of linux/bpf.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ProgramInformation
    {
        public uint Type; // type
        public uint Identifier; // id
        public fixed byte Tag[8]; // tag
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint command, LoadAttributes* attributes, nuint size);
}
