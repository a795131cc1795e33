using System.Runtime.InteropServices;
using System.Text;

namespace CniIsolator.Linux;

/// <summary>A BPF program of the hook that runs before all filters of tc.</summary>
/// <param name="Identifier">Its number among the programs that are loaded.</param>
/// <param name="Name">Up to 15 characters; empty where the kernel does not tell.</param>
public sealed record TcxProgram(uint Identifier, string Name);

/// <summary>Reads the hook tcx of devices (kernel 6.6), whose programs no dump of filters shows.</summary>
public static unsafe partial class TcxPrograms
{
    private const int GetDescriptor = 13; // BPF_PROG_GET_FD_BY_ID
    private const int GetInformation = 15; // BPF_OBJ_GET_INFO_BY_FD
    private const int Query = 16; // BPF_PROG_QUERY

    // BPF_TCX_INGRESS and BPF_TCX_EGRESS of linux/bpf.h since 6.6: headers of older kernels, with which names are compared, lack them.
    private const uint Ingress = 46;
    private const uint Egress = 47;

    // More than a device can have: BPF_MPROG_MAX.
    private const int Most = 64;

    /// <summary>The programs of a device in the calling thread's namespace, in the order in which they run; null where this kernel does not tell.</summary>
    /// <exception cref="LinuxException">It would, but not to us.</exception>
    public static List<TcxProgram>? List(int index, bool ingress)
    {
        var identifiers = stackalloc uint[Most];
        var query = new QueryAttributes
        {
            Device = (uint)index,
            Place = ingress ? Ingress : Egress,
            Programs = (ulong)identifiers,
            Count = Most,
        };
        if (SystemCall(Number, Query, &query, (uint)sizeof(QueryAttributes)) < 0)
        {
            // A kernel without tcx knows no such place, one without BPF not even the call.
            return (Errno)Marshal.GetLastPInvokeError() is Errno.NotPermitted or Errno.AccessDenied
                ? throw LinuxException.FromLastError($"ask for BPF programs of interface {index}")
                : null;
        }

        var programs = new List<TcxProgram>();
        for (var i = 0; i < Math.Min(query.Count, Most); i++)
        {
            programs.Add(new TcxProgram(identifiers[i], ReadName(identifiers[i])));
        }

        return programs;
    }

    private static string ReadName(uint identifier)
    {
        var asked = new IdentifierAttributes { Identifier = identifier };
        var descriptor = (int)SystemCall(Number, GetDescriptor, &asked, (uint)sizeof(IdentifierAttributes));
        if (descriptor < 0)
        {
            return "";
        }

        var information = default(ProgramInformation);
        var wanted = new InformationAttributes
        {
            Descriptor = (uint)descriptor,
            Size = (uint)sizeof(ProgramInformation),
            Information = (ulong)(&information),
        };
        var told = SystemCall(Number, GetInformation, &wanted, (uint)sizeof(InformationAttributes));
        _ = Libc.Close(descriptor);
        var name = new ReadOnlySpan<byte>(information.Name, 16);
        var end = name.IndexOf((byte)0);
        return told < 0 ? "" : Encoding.UTF8.GetString(end < 0 ? name : name[..end]);
    }

    // __NR_bpf; libc has no function of that name.
    private static nint Number => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 321 : 280;

    /// <summary>Union bpf_attr for BPF_PROG_QUERY, as of kernel 6.6. Source: linux/bpf.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct QueryAttributes
    {
        public uint Device; // target_ifindex
        public uint Place; // attach_type
        public uint QueryFlags; // query_flags
        public uint AttachFlags; // attach_flags
        public ulong Programs; // prog_ids
        public uint Count; // count
        public uint Padding;
        public ulong ProgramFlags; // prog_attach_flags
        public ulong Links; // link_ids
        public ulong LinkFlags; // link_attach_flags
        public ulong Revision; // revision
    }

    /// <summary>Union bpf_attr for BPF_PROG_GET_FD_BY_ID.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct IdentifierAttributes
    {
        public uint Identifier; // prog_id
        public uint Next; // next_id
        public uint OpenFlags; // open_flags
    }

    /// <summary>Union bpf_attr for BPF_OBJ_GET_INFO_BY_FD.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct InformationAttributes
    {
        public uint Descriptor; // info.bpf_fd
        public uint Size; // info.info_len
        public ulong Information; // info.info
    }

    /// <summary>The begin of struct bpf_prog_info, up to the name.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ProgramInformation
    {
        public fixed byte Before[64]; // type, id, tag, lengths, instructions, load_time, created_by_uid, maps
        public fixed byte Name[16]; // name
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint command, void* attributes, nuint size);
}
