using CniIsolator.Linux;

namespace CniIsolator.Plugin.Attaching;

/// <summary>The programs for the host's end, before its filters and after them; each is null where this kernel does not take it.</summary>
internal sealed class HostEndPrograms : IDisposable
{
    public BpfProgram? Guard { get; } = BpfProgram.TryLoadChecksumGuard();

    public BpfProgram? Drop { get; } = BpfProgram.TryLoadDrop();

    public void Dispose()
    {
        Guard?.Dispose();
        Drop?.Dispose();
    }
}
