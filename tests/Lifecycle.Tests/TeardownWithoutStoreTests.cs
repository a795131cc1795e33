using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Nothing blocks a teardown: not a store that is full, nor one that is read-only.</summary>
public sealed class TeardownWithoutStoreTests : IDisposable
{
    private readonly StateDisk _disk = new();

    public static TheoryData<DiskFault> Faults => [.. Enum.GetValues<DiskFault>()];

    private Bed Bed => _disk.Bed;

    public void Dispose() => _disk.Dispose();

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task DEL_takes_one_container_after_the_other_off_the_host(DiskFault fault)
    {
        Namespace first = Bed.Added("c1", 31005);
        Namespace second = Bed.Added("c2", 31006);
        _disk.Spoil(fault);
        Quiet(Bed.Plugin.Del(first, "c1"));
        Bed.AssertLoopbackRestored(first);
        Bed.Plugin.Check(second, "c2").Require();
        Assert.False(Bed.Plugin.Check(first, "c1").Succeeded);
        await Bed.AssertReachableAsync(second, 31006);
        Quiet(Bed.Plugin.Del(second, "c2"));
        Bed.AssertLoopbackRestored(second);
        AssertGone(fault);

        // A runtime may ask again, or for what never was.
        Quiet(Bed.Plugin.Del(first, "c1"));
        Quiet(Bed.Plugin.Del(null, "c2"));
        Quiet(Bed.Plugin.Del(first, "never"));
        AssertGone(fault);
        Bed.Plugin.CommandLine("list").Require();

        _disk.PutRight();
        await AssertAllGoesOnAsync();
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_DEL_without_a_namespace_beside_a_record_that_cannot_be_read(DiskFault fault)
    {
        Namespace container = Bed.Added("c1", 31005);
        File.WriteAllText(Bed.RecordPath("c1"), "no JSON");
        _disk.Spoil(fault);
        Quiet(Bed.Plugin.Del(container, "c1"));
        AssertGone(fault);
        _disk.PutRight();
        Bed.Plugin.CommandLine("gc").Require();
        Bed.AssertClean();
        await AssertAllGoesOnAsync();
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task GC_collects_what_is_dead_and_by_force_what_lives(DiskFault fault)
    {
        Namespace dead = Bed.Added("dead", 31005);
        Bed.Added("alive", 31006);
        SliceTests.Kill(Bed, dead, "dead");
        _disk.Spoil(fault);
        Assert.Equal("", Bed.Plugin.Gc([("alive", "eth0")]).Require().Output);
        Bed.Plugin.Gc([("alive", "eth0")]).Require();
        Assert.Equal("", Bed.Plugin.Gc([], Bed.Config.With("gcForce", true)).Require().Output);
        AssertGone(fault);
        Bed.Plugin.Gc([]).Require();
        AssertGone(fault);
        _disk.PutRight();
        await AssertAllGoesOnAsync();
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Gc_of_the_operator_ends_without_a_fault(DiskFault fault)
    {
        Namespace[] dead = [Bed.Added("c1", 31005), Bed.Added("c2")];
        SliceTests.Kill(Bed, dead[0], "c1");
        SliceTests.Kill(Bed, dead[1], "c2");
        _disk.Spoil(fault);
        CommandResult collected = Bed.Plugin.CommandLine("gc");
        Assert.Equal(0, collected.ExitCode);
        Bed.Says(collected.Output, "reaped testnet/c1/eth0", "reaped testnet/c2/eth0");
        AssertGone(fault);
        if (fault == DiskFault.ReadOnly)
        {
            Bed.Says(collected.Error, Bed.RecordPath("c1"), Bed.RecordPath("c2"), "host.json", "read-only file system");
        }
        else
        {
            Assert.Equal("", collected.Error);
        }

        Assert.Equal(0, Bed.Plugin.CommandLine("gc").ExitCode);
        AssertGone(fault);
        _disk.PutRight();
        await AssertAllGoesOnAsync();
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Uninstall_by_force_takes_all_away_and_tells_what_stays(DiskFault fault)
    {
        Namespace container = Bed.Added("c1", 31005);
        Bed.Added("c2");
        _disk.Spoil(fault);
        for (int run = 0; run < 2; run++)
        {
            CommandResult removed = Bed.Plugin.CommandLine("uninstall", "--force");
            Assert.True(removed.ExitCode == 0, removed.ToString());
            Bed.Unchanged(Bed.Before, Bed.Host);
            if (fault == DiskFault.ReadOnly)
            {
                Bed.Says(removed.Output, Bed.RecordPath("c1"), Bed.RecordPath("c2"), "host.json", "host.lock", "/lock", "read-only file system");
                Assert.Equal(Directory.GetFiles(Bed.Store).Length, removed.Output.Split("left a file: ").Length - 1);
            }
            else
            {
                Assert.False(Directory.Exists(Bed.Store));
                Assert.DoesNotContain("left", removed.Output, StringComparison.Ordinal);
            }
        }

        Bed.AssertLoopbackRestored(container);
        _disk.PutRight();
        Assert.Equal(0, Bed.Plugin.CommandLine("uninstall").ExitCode);
        Assert.False(Directory.Exists(Bed.Store));
        await AssertAllGoesOnAsync();
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void STATUS_says_that_no_ADD_will_succeed_and_why(DiskFault fault)
    {
        Bed.Plugin.Status().Require();
        _disk.Spoil(fault);
        Bed.Fails(Bed.Plugin.Status(), 50, Bed.Store, StateDisk.Reason(fault));
        Assert.False(Directory.Exists(Bed.Store));
        _disk.PutRight();
        Bed.Plugin.Status().Require();
        Assert.False(Directory.Exists(Bed.Store));
        Bed.Added("c1");
        string[] files = Directory.GetFiles(Bed.Store);
        Bed.Plugin.Status().Require();
        _disk.Spoil(fault);
        Bed.Fails(Bed.Plugin.Status(), 50, Bed.Store, StateDisk.Reason(fault));
        _disk.PutRight();
        Bed.Plugin.Status().Require();
        Assert.Equal(files, Directory.GetFiles(Bed.Store));
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task ADD_fails_and_makes_nothing(DiskFault fault)
    {
        Namespace container = Bed.Container();
        KernelState inside = Bed.Settled(container);
        _disk.Spoil(fault);
        Bed.Fails(Bed.Plugin.Add(container, "c1"), 105, StateDisk.Reason(fault));
        Bed.AssertClean();
        Bed.Unchanged(inside, container);
        _disk.PutRight();
        Namespace neighbour = Bed.Added("c2", 31006);
        KernelState host = Bed.Settled(Bed.Host);
        string[] files = Directory.GetFiles(Bed.Store);
        _disk.Spoil(fault);
        Bed.Fails(Bed.Plugin.Add(container, "c1"), 105, StateDisk.Reason(fault));
        Bed.Unchanged(host, Bed.Host);
        Bed.Unchanged(inside, container);
        Assert.Equal(files, Directory.GetFiles(Bed.Store));
        Bed.Plugin.Check(neighbour, "c2").Require();
        Quiet(Bed.Plugin.Del(container, "c1"));
        Bed.Unchanged(host, Bed.Host);
        Quiet(Bed.Plugin.Del(neighbour, "c2"));
        AssertGone(fault);
        _disk.PutRight();
        await AssertAllGoesOnAsync();
    }

    [Fact]
    public void An_ADD_that_runs_out_of_space_anywhere_on_its_way_leaves_nothing()
    {
        Namespace container = Bed.Container();
        KernelState inside = Bed.Settled(container);
        int pages = 1;
        while (true)
        {
            _disk.Resize(pages++);
            PluginResult result = Bed.Plugin.Add(container, "c1");
            if (result.Succeeded)
            {
                break;
            }

            Bed.Fails(result, 105, "no space left");
            Bed.AssertClean();
            Bed.Unchanged(inside, container);
        }

        // Not the first, nor the second: the note of the host and the record come before the last write.
        Assert.InRange(pages, 4, 8);
        Quiet(Bed.Plugin.Del(container, "c1"));
        Bed.AssertClean();
    }

    [Theory]
    [InlineData()]
    [InlineData("lock")]
    [InlineData("host.lock")]
    [InlineData("lock", "host.lock")]
    public void A_DEL_and_a_gc_of_nothing_need_no_file(params string[] missing)
    {
        Namespace container = Bed.Container();
        _disk.Spoil(DiskFault.ReadOnly);
        AskForNothing();
        _disk.PutRight();
        Bed.Plugin.Add(container, "c1").Require();
        foreach (string name in missing)
        {
            File.Delete(Path.Combine(Bed.Store, name));
        }

        KernelState host = Bed.Settled(Bed.Host);
        foreach (DiskFault fault in Enum.GetValues<DiskFault>())
        {
            _disk.Spoil(fault);
            AskForNothing();
            Bed.Unchanged(host, Bed.Host);
            _disk.PutRight();
        }

        foreach (string name in missing)
        {
            File.Delete(Path.Combine(Bed.Store, name));
        }

        _disk.Spoil(DiskFault.ReadOnly);
        Quiet(Bed.Plugin.Del(container, "c1"));
        AskForNothing();
        AssertGone(DiskFault.ReadOnly);

        void AskForNothing()
        {
            Quiet(Bed.Plugin.Del(container, "never"));
            Bed.Plugin.Gc([("c1", "eth0")]).Require();
            Assert.Equal(0, Bed.Plugin.CommandLine("gc").ExitCode);
        }
    }

    /// <summary>The kernel is as before the first ADD; records can be left on what is read-only alone.</summary>
    private void AssertGone(DiskFault fault)
    {
        if (fault == DiskFault.ReadOnly)
        {
            Bed.Unchanged(Bed.Before, Bed.Host);
            Assert.NotEmpty(Bed.Records);
        }
        else
        {
            Bed.AssertClean();
        }
    }

    /// <summary>What is dead keeps its ports from nobody, nor the host from being set up anew, and goes.</summary>
    private async Task AssertAllGoesOnAsync()
    {
        Bed.Plugin.Status().Require();
        Namespace other = Bed.Added("new1", 31015);
        Bed.Plugin.Check(other, "new1", config: Bed.Config.WithPorts(31015)).Require();
        await Bed.AssertReachableAsync(other, 31015);
        Namespace same = Bed.Added("new2", 31005);
        Bed.Plugin.Check(same, "new2", config: Bed.Config.WithPorts(31005)).Require();
        await Bed.AssertReachableAsync(same, 31005);
        await Bed.AssertReachesOutAsync(same, "new2");
        Bed.Plugin.CommandLine("list").Require();
        Bed.Plugin.CommandLine("gc").Require();

        // Those whose namespaces live could be repaired, for all that gc knows. A runtime that asks once more has them off the list.
        string[] ids = [.. Bed.Records.Select(path => (string?)JsonNode.Parse(File.ReadAllText(path))!["key"]!["containerId"]!)];
        foreach (string id in ids.Except(["new1", "new2"]))
        {
            Quiet(Bed.Plugin.Del(null, id));
        }

        Assert.Equal(2, Bed.Records.Length);
        Quiet(Bed.Plugin.Del(other, "new1"));
        Quiet(Bed.Plugin.Del(same, "new2"));
        Bed.AssertClean();
    }

    private static void Quiet(PluginResult result)
    {
        Assert.True(result.Succeeded, result.ToString());
        Assert.Equal("", result.Output);
    }
}
