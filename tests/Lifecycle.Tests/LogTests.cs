using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>The log tells what happened, and never fails a command.</summary>
public sealed class LogTests
{
    private const UnixFileMode OthersMayWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    [Theory]
    [InlineData("under a file")]
    [InlineData("a directory")]
    [InlineData("read-only")]
    public void A_log_that_cannot_be_written_fails_nothing(string kind)
    {
        using Bed bed = new();
        string place = Path.Combine(bed.Net.StateDirectory, "place");
        NetworkConfig config = bed.Config with { LogFile = kind == "a directory" ? place : Path.Combine(place, "plugin.log") };
        if (kind == "under a file")
        {
            File.WriteAllText(place, "");
        }
        else
        {
            Directory.CreateDirectory(place);
        }

        if (kind == "read-only")
        {
            bed.Host.Execute("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place).Require();
        }

        try
        {
            Namespace container = bed.Container();
            PluginResult added = bed.Plugin.Add(container, "c1", config: config).Require();
            Assert.NotNull(added.Member("interfaces"));
            Bed.Says(added.Error, config.LogFile!);
            bed.Plugin.Check(container, "c1", config: config).Require();
            bed.Plugin.Del(container, "c1", config: config).Require();
            bed.AssertClean();
        }
        finally
        {
            if (kind == "read-only")
            {
                bed.Host.Execute("umount", "-l", place).Require();
            }
        }
    }

    [Fact]
    public void The_log_s_directory_is_made_where_it_is_missing()
    {
        using Bed bed = new();
        NetworkConfig config = bed.Config with { LogFile = Path.Combine(bed.Net.StateDirectory, "a", "b", "plugin.log") };
        bed.Plugin.Add(bed.Container(), "c1", config: config).Require();
        Bed.Says(File.ReadAllText(config.LogFile!), "ADD network=testnet container=c1 ifname=eth0", "16384-17407", "ok");
    }

    [Fact]
    public async Task Under_an_open_umask_state_and_log_are_still_root_s_own()
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        PluginCall call = bed.Plugin.Attachment("ADD", container.Path, "c1", config: bed.Config with { LogFile = Path.Combine(bed.Net.StateDirectory, "made", "plugin.log") });
        CommandResult run = await bed.Host.ExecuteAsync(
            "sh",
            ["-c", "umask 0; exec env -i CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_IFNAME=eth0 CNI_PATH=/ CNI_NETNS=\"$1\" \"$2\"", "sh", container.Path, bed.Plugin.Binary],
            call.Input);
        run.Require();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(bed.Store));
        Assert.All(Directory.GetFiles(bed.Store), path => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path)));
        string made = Path.Combine(bed.Net.StateDirectory, "made");
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(made) & OthersMayWrite);
        UnixFileMode log = File.GetUnixFileMode(Path.Combine(made, "plugin.log"));
        Assert.Equal(UnixFileMode.None, log & (OthersMayWrite | UnixFileMode.OtherRead));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, log & (UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Theory]
    [InlineData("debug", true)]
    [InlineData("info", true)]
    [InlineData("warning", false)]
    [InlineData("error", false)]
    public void The_level_decides_what_is_kept_and_errors_always_are(string level, bool success)
    {
        using Bed bed = new(config => config.With("logLevel", level));
        bed.Added("c1");
        Assert.Equal(success, File.Exists(bed.Config.LogFile) && File.ReadAllText(bed.Config.LogFile!).Contains("INF", StringComparison.Ordinal));
        bed.Plugin.Run(bed.Plugin.Attachment("ADD", "/nowhere", "c2"));
        Bed.Says(File.ReadAllText(bed.Config.LogFile!), "ERR", "code 103", "container=c2", "/nowhere");
    }
}
