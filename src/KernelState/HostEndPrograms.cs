using CniIsolator.Linux;

namespace CniIsolator.KernelState;

/// <summary>The programs for the host's end, before its filters and after them; each is null where this kernel does not take it.</summary>
public sealed class HostEndPrograms : IDisposable
{
    private HostEndPrograms(SocketBufferLayout? layout)
    {
        Layout = layout;
        Guard = layout is null ? null : BpfProgram.TryLoadChecksumGuard(layout);
        if (Guard is null)
        {
            Guard = BpfProgram.TryLoadFinishedGuard();
            NeedsFinished = Guard is not null;
        }

        Drop = BpfProgram.TryLoadDrop();
    }

    /// <summary>What the first one was made of; null where the kernel does not tell.</summary>
    public SocketBufferLayout? Layout { get; }

    public BpfProgram? Guard { get; }

    /// <summary>
    /// Whether the first one drops every packet that is not finished, so that containers have to compute their checksums themselves.
    /// </summary>
    public bool NeedsFinished { get; }

    public BpfProgram? Drop { get; }

    /// <summary>What the kernel shows of filters with these programs.</summary>
    public Plans.ProgramTags Tags => new(Guard?.Tag, Drop?.Tag);

    /// <param name="noted">The layout that was found earlier, if any. One of another boot is found anew.</param>
    public static HostEndPrograms Load(SocketBufferLayout? noted = null) =>
        new(noted is not null && noted.BootId == HostIdentity.BootId ? noted : SocketBufferLayout.Read());

    public void Dispose()
    {
        Guard?.Dispose();
        Drop?.Dispose();
    }
}
