using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>
/// The state directory, the log, and what somebody may have put in their place. In the directory itself only its owner can: it is refused
/// unless it is root's own, with no permission to write for others, and so are parents that would let somebody exchange it.
/// </summary>
public sealed class StateFileTests
{
    private const int StoreUnreadable = 105;
    private const string Nobody = "65534";

    [Theory]
    [InlineData("is a link")]
    [InlineData("is a link to nothing")]
    [InlineData("is somebody else's")]
    [InlineData("is writable by all")]
    [InlineData("is a file")]
    [InlineData("has a parent of somebody else")]
    [InlineData("has a parent that is writable by all")]
    [InlineData("has somebody else's link among its parents")]
    [InlineData("has a link to somebody else's directory among its parents")]
    [InlineData("is missing below a directory that is writable by all")]
    public void A_state_directory_that_others_control_is_refused(string kind)
    {
        using Bed bed = new();
        string parent = Path.Combine(bed.Net.StateDirectory, "parent");
        string other = Path.Combine(bed.Net.StateDirectory, "other");
        string store = Path.Combine(parent, "store");
        Directory.CreateDirectory(parent);
        Directory.CreateDirectory(other);
        switch (kind)
        {
            case "is a link":
                Directory.CreateSymbolicLink(store, other);
                break;
            case "is a link to nothing":
                Directory.CreateSymbolicLink(store, other + "x");
                break;
            case "is somebody else's":
                Directory.CreateDirectory(store);
                Own(store);
                break;
            case "is writable by all":
                Open(Directory.CreateDirectory(store).FullName);
                break;
            case "is a file":
                File.WriteAllText(store, "");
                break;
            case "has a parent of somebody else":
                Directory.CreateDirectory(store);
                Own(parent);
                break;
            case "has a parent that is writable by all":
                Directory.CreateDirectory(store);
                Open(parent);
                break;
            case "has somebody else's link among its parents":
                Directory.Delete(parent);
                Directory.CreateSymbolicLink(parent, other);
                CommandResult.Run("chown", "-h", Nobody, parent).Require();
                break;
            case "has a link to somebody else's directory among its parents":
                Directory.Delete(parent);
                Directory.CreateSymbolicLink(parent, "other");
                Own(other);
                break;
            default:
                Open(parent);
                break;
        }

        NetworkConfig config = bed.Config with { StateDirectory = store };
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        Bed.Fails(bed.Plugin.Add(container, "c1", config: config), StoreUnreadable, parent);
        Bed.Unchanged(inside, container);
        Bed.Unchanged(bed.Before, bed.Host);
        Assert.Empty(Directory.EnumerateFileSystemEntries(other));
    }

    [Fact]
    public void Root_s_links_and_a_sticky_directory_are_no_reason_to_refuse()
    {
        using Bed bed = new();
        string sticky = Directory.CreateDirectory(Path.Combine(bed.Net.StateDirectory, "sticky")).FullName;
        Open(sticky, UnixFileMode.StickyBit);
        string link = Path.Combine(bed.Net.StateDirectory, "link");
        Directory.CreateSymbolicLink(link, "sticky");
        NetworkConfig config = bed.Config with { StateDirectory = Path.Combine(link, "store") };
        Namespace container = bed.Container();
        bed.Plugin.Add(container, "c1", config: config).Require();
        bed.Plugin.Check(container, "c1", config: config).Require();
        bed.Plugin.Del(container, "c1", config: config).Require();
        Bed.Unchanged(bed.Before, bed.Host);
    }

    [Theory]
    [InlineData("lock", "link")]
    [InlineData("lock", "fifo")]
    [InlineData("lock", "directory")]
    [InlineData("host.lock", "link")]
    [InlineData("host.lock", "fifo")]
    [InlineData("record", "link")]
    [InlineData("record", "fifo")]
    [InlineData("record", "directory")]
    [InlineData("host.json", "link")]
    [InlineData("host.json", "fifo")]
    [InlineData("lock", "device")]
    [InlineData("host.lock", "device")]
    [InlineData("record", "device")]
    [InlineData("host.json", "device")]
    [InlineData("lock", "hard link")]
    [InlineData("record", "hard link")]
    [InlineData("host.json", "hard link")]
    public void Another_thing_in_the_place_of_a_file_is_neither_followed_nor_waited_for(string name, string kind)
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1", 31005);
        string victim = Path.Combine(bed.Net.StateDirectory, "victim");
        File.WriteAllText(victim, "untouched");
        string path = name == "record" ? bed.RecordPath("c1") : Path.Combine(bed.Store, name);
        string content = File.ReadAllText(path);
        File.Delete(path);
        Plant(path, kind, victim);
        Namespace second = bed.Container();
        PluginResult added = bed.Plugin.Add(second, "c2");
        PluginResult deleted = bed.Plugin.Del(second, "c2");
        Assert.False(added.TimedOut || deleted.TimedOut, $"{added}\n{deleted}");
        Assert.Equal("untouched", File.ReadAllText(victim));

        // With the file put back everything goes.
        if (Directory.Exists(path) && kind == "directory")
        {
            Directory.Delete(path);
        }

        File.Delete(path);
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        foreach (string aside in Directory.GetFileSystemEntries(bed.Store, "*.unreadable*"))
        {
            CommandResult.Run("rm", "-rf", aside).Require();
        }

        bed.Plugin.Del(second, "c2").Require();
        bed.Plugin.Del(first, "c1").Require();
        bed.AssertClean();
    }

    [Theory]
    [InlineData("link")]
    [InlineData("dangling link")]
    [InlineData("fifo")]
    [InlineData("fifo with a reader")]
    [InlineData("directory")]
    [InlineData("/dev/full")]
    [InlineData("/dev/null")]
    public void Whatever_stands_in_the_log_s_place_fails_nothing_and_is_not_written_through(string kind)
    {
        using Bed bed = new();
        string victim = Path.Combine(bed.Net.StateDirectory, "victim");
        string log = kind.StartsWith('/') ? kind : bed.Config.LogFile!;
        FileStream? reader = null;
        if (kind == "dangling link")
        {
            File.CreateSymbolicLink(log, victim);
        }
        else if (!kind.StartsWith('/'))
        {
            File.WriteAllText(victim, "untouched");
            Plant(log, kind.Split(' ')[0], victim);
            reader = kind == "fifo with a reader" ? new FileStream(log, FileMode.Open, FileAccess.ReadWrite) : null;
        }

        using (reader)
        {
            NetworkConfig config = bed.Config with { LogFile = log };
            Namespace container = bed.Container();
            PluginResult added = bed.Plugin.Add(container, "c1", config: config).Require();
            Assert.Equal(kind == "/dev/null", added.Error.Length == 0);
            bed.Plugin.Check(container, "c1", config: config).Require();
            bed.Plugin.Del(container, "c1", config: config).Require();
        }

        Assert.Equal(kind is "dangling link" || kind.StartsWith('/') ? null : "untouched", File.Exists(victim) ? File.ReadAllText(victim) : null);
        bed.AssertClean();
    }

    /// <summary>Whoever may read a directory may lock it: nothing waits for such a lock.</summary>
    [Fact]
    public async Task A_lock_on_the_log_s_directory_keeps_nobody_from_writing()
    {
        using Bed bed = new();
        string done = Path.Combine(bed.Net.StateDirectory, "done");
        string ready = Path.Combine(bed.Net.StateDirectory, "ready");
        Task<CommandResult> holder = bed.Host.ExecuteAsync("flock", [bed.Net.StateDirectory, "sh", "-c", $"touch {ready}; while [ ! -e {done} ]; do sleep 0.05; done"]);
        Wait.Until(() => File.Exists(ready), "the lock");
        bed.Added("c1");
        Bed.Says(File.ReadAllText(bed.Config.LogFile!), "ADD network=testnet container=c1", "ok");
        Assert.False(holder.IsCompleted);
        File.WriteAllText(done, "");
        (await holder).Require();
    }

    [Theory]
    [InlineData("0")]
    [InlineData("0777")]
    [InlineData("0077")]
    public async Task Modes_do_not_depend_on_the_runtime_s_umask(string umask)
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        NetworkConfig config = bed.Config with { StateDirectory = Path.Combine(bed.Net.StateDirectory, "a/b/store"), LogFile = Path.Combine(bed.Net.StateDirectory, "log/plugin.log") };
        await PluginShell.RunAsync(bed, $"umask {umask}", "", bed.Plugin.Attachment("ADD", container.Path, "c1", config: config));
        string[] all = [.. Directory.GetFileSystemEntries(bed.Net.StateDirectory, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
        Dictionary<string, string> modes = all.ToDictionary(
            path => Path.GetRelativePath(bed.Net.StateDirectory, path), path => Convert.ToString((int)File.GetUnixFileMode(path), 8), StringComparer.Ordinal);
        Assert.All(modes.Where(one => one.Key.StartsWith("a/b/store/", StringComparison.Ordinal)), one => Assert.Equal("600", one.Value));
        Assert.Equal(["755", "755", "700", "750", "640"], new[] { "a", "a/b", "a/b/store", "log", "log/plugin.log" }.Select(path => modes[path]));
        bed.Plugin.Del(container, "c1", config: config).Require();
    }

    private static void Plant(string path, string kind, string victim)
    {
        switch (kind)
        {
            case "link":
                File.CreateSymbolicLink(path, victim);
                break;
            case "fifo":
                CommandResult.Run("mkfifo", path).Require();
                break;
            case "device":
                // The kernel's endless zeros.
                CommandResult.Run("mknod", path, "c", "1", "5").Require();
                break;
            case "hard link":
                CommandResult.Run("ln", victim, path).Require();
                break;
            default:
                Directory.CreateDirectory(path);
                break;
        }
    }

    private static void Own(string path) => CommandResult.Run("chown", Nobody, path).Require();

    private static void Open(string path, UnixFileMode more = UnixFileMode.None) =>
        File.SetUnixFileMode(path, (UnixFileMode)0b111_111_111 | more);
}
