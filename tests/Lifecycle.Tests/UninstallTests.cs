using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>"uninstall" leaves the host as before the first ADD, and never a container without its network unasked.</summary>
public sealed class UninstallTests : IDisposable
{
    private readonly Bed _bed = new();

    public void Dispose() => _bed.Dispose();

    [Fact]
    public void Where_nothing_is_nothing_is_removed()
    {
        CommandResult removed = Uninstall();
        Assert.Equal(0, removed.ExitCode);
        Bed.Says(removed.Output, "nothing to remove");
    }

    [Fact]
    public async Task Containers_that_live_are_named_and_keep_their_network()
    {
        Namespace container = _bed.Added("c1", 31005);
        KernelState before = Bed.Settled(_bed.Host);
        CommandResult refused = Uninstall();
        Assert.Equal((1, ""), (refused.ExitCode, refused.Output));
        Bed.Says(refused.Error, "1 container lives", "c1", "--force");
        Bed.Unchanged(before, _bed.Host);
        await _bed.AssertReachableAsync(container, 31005);
    }

    [Fact]
    public void By_force_everything_goes()
    {
        _bed.Added("c1", 31005);
        _bed.Added("c2");
        CommandResult removed = Uninstall("--force");
        Assert.Equal((0, ""), (removed.ExitCode, removed.Error));
        Bed.Says(removed.Output, "c1", "c2", "clsact of eth0", "net.ipv4.conf.lo.accept_local", _bed.Store);
        Bed.Unchanged(_bed.Before, _bed.Host);
        Assert.False(Directory.Exists(_bed.Store));
    }

    [Fact]
    public void Not_even_by_force_goes_what_a_living_process_is_working_on()
    {
        Namespace busy = _bed.Added("c1", 31005);
        _bed.Added("c2");
        _bed.EditRecord("c1", record =>
        {
            record["state"] = "deleting";
            record["process"]!["pid"] = Environment.ProcessId;
            record["process"]!["startTime"] = SliceTests.StartTime(Environment.ProcessId);
        });
        CommandResult unfinished = Uninstall("--force");
        Assert.Equal((1, 11), (unfinished.ExitCode, unfinished.ErrorCode));
        Bed.Says(unfinished.Error, "taken down");
        Bed.Says(unfinished.Output, "c2");
        Assert.Single(_bed.Records);
        _bed.EditRecord("c1", record => record["state"] = "ready");
        _bed.Plugin.Check(busy, "c1").Require();
        Assert.Equal(0, Uninstall("--force").ExitCode);
        Bed.Unchanged(_bed.Before, _bed.Host);
    }

    [Fact]
    public void Records_of_dead_containers_are_no_obstacle()
    {
        Namespace container = _bed.Added("c1", 31005);
        string device = _bed.HostInterface("c1");
        container.Dispose();
        Wait.For(() => !_bed.Host.Ip("-o link show").Contains(device, StringComparison.Ordinal));
        Assert.Equal(0, Uninstall().ExitCode);
        Bed.Unchanged(_bed.Before, _bed.Host);
        Assert.False(Directory.Exists(_bed.Store));
    }

    [Fact]
    public void After_the_last_DEL_only_files_are_left()
    {
        Namespace container = _bed.Added("c1");
        _bed.Plugin.Del(container, "c1").Require();
        CommandResult removed = Uninstall();
        Assert.Equal(0, removed.ExitCode);
        Assert.Equal($"removed {_bed.Store}", removed.Output.Trim());
        Assert.False(Directory.Exists(_bed.Store));
    }

    private CommandResult Uninstall(params string[] options) => _bed.Plugin.CommandLine(["uninstall", .. options]);
}
