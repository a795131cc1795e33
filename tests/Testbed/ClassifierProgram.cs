namespace CniIsolator.Testbed;

/// <summary>
/// A BPF program as other network plugins put them on devices: it lets every packet go on. It stays where it was attached until its device goes.
/// </summary>
public static class ClassifierProgram
{
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
            int program = BpfCalls.Load(BpfCalls.TrafficClassifier, Next, name);
            try
            {
                BpfCalls.Pin(program, path);
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
            int program = BpfCalls.Load(BpfCalls.TrafficClassifier, Next, name);
            bool attached = BpfCalls.TryAttach(program, device, ingress ? BpfCalls.TcxIngress : BpfCalls.TcxEgress);
            _ = Native.Close(program);
            return attached;
        });
    }
}
