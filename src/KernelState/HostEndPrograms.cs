using CniIsolator.Linux;

namespace CniIsolator.KernelState;

/// <summary>The programs for the host's end, before its filters and after them; each is null where this kernel does not take it.</summary>
public sealed class HostEndPrograms : IDisposable
{
    private HostEndPrograms(SocketBufferLayout? layout, BpfProgram? guard, bool needsFinished)
    {
        Layout = layout;
        Guard = guard;
        NeedsFinished = needsFinished;
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

    /// <summary>The best that this kernel takes.</summary>
    /// <param name="noted">The layout that was found earlier, if any. One of another boot is found anew.</param>
    public static HostEndPrograms Load(SocketBufferLayout? noted = null)
    {
        var layout = Find(noted);
        var guard = layout is null ? null : BpfProgram.TryLoadChecksumGuard(layout);
        return guard is null && BpfProgram.TryLoadFinishedGuard() is { } finished
            ? new HostEndPrograms(layout, finished, needsFinished: true)
            : new HostEndPrograms(layout, guard, needsFinished: false);
    }

    /// <summary>Those that an attachment has: with the other guard it would lose its packets, or its protection.</summary>
    /// <param name="finished">Whether its container computes checksums itself.</param>
    /// <param name="noted">As above.</param>
    public static HostEndPrograms LoadFor(bool finished, SocketBufferLayout? noted)
    {
        if (finished)
        {
            return new HostEndPrograms(null, BpfProgram.TryLoadFinishedGuard(), needsFinished: true);
        }

        var layout = Find(noted);
        return new HostEndPrograms(layout, layout is null ? null : BpfProgram.TryLoadChecksumGuard(layout), needsFinished: false);
    }

    private static SocketBufferLayout? Find(SocketBufferLayout? noted) =>
        noted is not null && noted.BootId == HostIdentity.BootId ? noted : SocketBufferLayout.Read();

    public void Dispose()
    {
        Guard?.Dispose();
        Drop?.Dispose();
    }
}
