namespace CniIsolator.Lifecycle.Tests;

/// <summary>What may be wrong with the file system that the store is on.</summary>
public enum DiskFault
{
    NoSpace,
    NoInodes,
    ReadOnly,
}

/// <summary>A small file system of its own for the store, which can be spoiled and put right.</summary>
internal sealed class StateDisk : IDisposable
{
    private readonly string _path;
    private readonly List<string> _fillers = [];

    public StateDisk()
    {
        Bed = new Bed(config => config with { StateDirectory = Path.Combine(Path.GetDirectoryName(config.StateDirectory)!, "disk", "store") });
        _path = Path.GetDirectoryName(Bed.Store)!;
        try
        {
            Directory.CreateDirectory(_path);
            Mount("-t", "tmpfs", "-o", "size=128k,nr_inodes=40,mode=0700", "tmpfs");
        }
        catch
        {
            Bed.Dispose();
            throw;
        }
    }

    public Bed Bed { get; }

    /// <summary>What errors say of this fault.</summary>
    public static string Reason(DiskFault fault) => fault == DiskFault.ReadOnly ? "read-only file system" : "no space left";

    public void Spoil(DiskFault fault)
    {
        switch (fault)
        {
            case DiskFault.ReadOnly:
                Mount("-o", "remount,ro");
                break;
            case DiskFault.NoSpace:
                string filler = Path.Combine(_path, "filler");
                _fillers.Add(filler);
                FillUntilRefused(() =>
                {
                    using FileStream file = new(filler, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
                    file.Write(new byte[4096]);
                });
                break;
            default:
                FillUntilRefused(() =>
                {
                    string path = Path.Combine(_path, $"filler{_fillers.Count}");
                    File.Create(path).Dispose();
                    _fillers.Add(path);
                });
                break;
        }
    }

    /// <summary>Undoes <see cref="Spoil"/>.</summary>
    public void PutRight()
    {
        Mount("-o", "remount,rw");
        _fillers.ForEach(File.Delete);
        _fillers.Clear();
    }

    /// <summary>Gives the file system this many pages of 4 KiB.</summary>
    public void Resize(int pages) => Mount("-o", $"remount,size={4 * pages}k");

    public void Dispose()
    {
        try
        {
            Bed.Host.Execute("umount", "-l", _path).Require();
        }
        finally
        {
            Bed.Dispose();
        }
    }

    private static void FillUntilRefused(Action more)
    {
        try
        {
            while (true)
            {
                more();
            }
        }
        catch (IOException e)
        {
            Bed.Says(e.Message, "no space left");
        }
    }

    private void Mount(params string[] options) => Bed.Host.Execute("mount", [.. options, _path]).Require();
}
