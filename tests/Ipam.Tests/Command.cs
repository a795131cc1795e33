using System.Diagnostics;

namespace CniIsolator.Ipam.Tests;

internal static class Command
{
    internal static Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }

    /// <summary>Runs a program to its end and returns its exit status.</summary>
    internal static int Run(string program, params string[] arguments)
    {
        using var process = Start(program, arguments);
        process.StandardInput.Close();
        process.StandardOutput.ReadToEnd();
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}

/// <summary>A test that needs root: skipped with the reason otherwise.</summary>
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Skip = "needs root";
        }
    }
}

/// <summary>A test that mounts a tmpfs: skipped with the reason where that is not allowed.</summary>
public sealed class TmpfsFactAttribute : FactAttribute
{
    private static readonly Lazy<bool> Allowed = new(() =>
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return false;
        }

        using var directory = new TemporaryDirectory();
        Directory.CreateDirectory(directory["mnt"]);
        using var tmpfs = SmallFilesystem.TryMount(directory["mnt"]);
        return tmpfs is not null;
    });

    public TmpfsFactAttribute()
    {
        if (!Allowed.Value)
        {
            Skip = "needs permission to mount a tmpfs";
        }
    }
}

internal sealed class SmallFilesystem : IDisposable
{
    private readonly string _path;

    private SmallFilesystem(string path) => _path = path;

    internal static SmallFilesystem? TryMount(string path) =>
        Command.Run("mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=32,mode=0700", "tmpfs", path) == 0
            ? new SmallFilesystem(path)
            : null;

    internal void MakeReadOnly() => Assert.Equal(0, Command.Run("mount", "-o", "remount,ro", _path));

    public void Dispose() => Command.Run("umount", "-l", _path);
}
