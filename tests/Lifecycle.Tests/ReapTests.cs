using System.Text.Json.Nodes;
using CniIsolator.Testbed;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>"gc" gives back what the dead held, of all networks, and never touches what lives.</summary>
public sealed class ReapTests : IDisposable
{
    // The group that doomed links are put into.
    private const uint DoomedGroup = 0x706d6721;

    private readonly List<SafeFileHandle> _held = [];
    private readonly Bed _bed = new(config => config.With("ephemeralPortsPerContainer", 128));

    public void Dispose()
    {
        _held.ForEach(handle => handle.Dispose());
        _bed.Dispose();
    }

    [Fact]
    public void The_dead_of_all_networks_go_and_are_told_line_by_line()
    {
        NetworkConfig other = _bed.Config with { Name = "other" };
        Namespace alive = _bed.Added("alive", 31001);
        Namespace dead = _bed.Added("dead", 31005);
        Namespace elsewhere = _bed.Container();
        _bed.Plugin.Add(elsewhere, "o", config: other).Require();
        (int Begin, int End) slice = _bed.Slice("dead");
        SliceTests.Kill(_bed, dead, "dead");
        SliceTests.Kill(_bed, elsewhere, "o");

        KernelState before = Bed.Settled(_bed.Host);
        string[] dry = Lines(Gc("--dry-run"));
        Assert.Equal(2, dry.Length);
        Assert.Contains($"would reap testnet/dead/eth0 with ports {slice.Begin}-{slice.End} tcp/31005 udp/31005", dry);
        Assert.Equal(3, _bed.Records.Length);
        Bed.Unchanged(before, _bed.Host);

        Assert.Equal(dry.Select(line => line.Replace("would reap", "reaped", StringComparison.Ordinal)), Lines(Gc()));
        Assert.Equal("alive", Assert.Single(Ids()));
        _bed.Plugin.Check(alive, "alive", config: _bed.Config.WithPorts(31001)).Require();
        Assert.Equal("", Gc().Require());
        _bed.Plugin.Del(alive, "alive").Require();
        _bed.AssertClean();
    }

    [Fact]
    public void Without_a_store_there_is_nothing_to_reap()
    {
        Bed.Says(Gc().Require(), "nothing to reap");
        Assert.False(Directory.Exists(_bed.Store));
    }

    [Fact]
    public void Many_whose_interface_is_still_there_go_together()
    {
        Namespace alive = _bed.Added("alive");
        for (int n = 0; n < 12; n++)
        {
            Abandon(_bed.Added($"c{n}", 31000 + n));
        }

        Assert.Equal(12, Lines(Gc()).Length);
        Assert.Equal("alive", Assert.Single(Ids()));
        Assert.Equal(_bed.HostInterface("alive"), Assert.Single(HostEnds()));
        _bed.Plugin.Check(alive, "alive").Require();
        _bed.Plugin.Del(alive, "alive").Require();
        _bed.AssertClean();
    }

    [Theory]
    [InlineData("foreign")]
    [InlineData("alive")]
    public void A_link_that_somebody_else_put_into_the_group_stays(string whose)
    {
        Namespace alive = _bed.Added("alive");
        string kept = whose == "alive" ? _bed.HostInterface("alive") : "keep0";
        if (whose == "foreign")
        {
            _bed.Host.Ip("link add keep0 type veth peer name keep1");
        }

        _bed.Host.Ip($"link set dev {kept} group {DoomedGroup}");
        for (int n = 0; n < 5; n++)
        {
            Abandon(_bed.Added($"c{n}"));
        }

        Assert.Equal(5, Lines(Gc()).Length);
        Bed.Says(_bed.Host.Ip("-o link show"), kept);
        Assert.Equal(_bed.HostInterface("alive"), Assert.Single(HostEnds()));
        _bed.Plugin.Check(alive, "alive").Require();
    }

    [Fact]
    public void Dead_links_that_were_marked_by_a_process_that_was_killed_go_with_the_others()
    {
        for (int n = 0; n < 5; n++)
        {
            Abandon(_bed.Added($"c{n}"));
            _bed.Host.Ip($"link set dev {_bed.HostInterface($"c{n}")} group {DoomedGroup}");
            _bed.EditRecord($"c{n}", record =>
            {
                record["state"] = "deleting";
                record["process"]!["pid"] = 0;
            });
        }

        Assert.Equal(5, Lines(Gc()).Length);
        _bed.AssertClean();
    }

    [Fact]
    public void A_namespace_without_a_path_lives_as_long_as_a_process_is_in_it()
    {
        Namespace container = _bed.Added("c1", 31005);
        using System.Diagnostics.Process inside = container.Start("sleep", "600");
        _bed.Host.Execute("umount", "-l", container.Path).Require();
        Assert.Equal("", Gc().Require());
        _bed.Plugin.Gc([]).Require();
        Assert.Single(_bed.Records);
        inside.Kill();
        inside.WaitForExit();
        Bed.Says(Gc().Require(), "reaped testnet/c1/eth0");
        _bed.AssertClean();
    }

    [Fact]
    public void ADD_takes_the_ports_of_a_namespace_that_a_descriptor_alone_keeps()
    {
        Namespace container = _bed.Added("c1", 31005);
        using (File.OpenHandle(container.Path, FileMode.Open, FileAccess.Read))
        {
            _bed.Host.Execute("umount", "-l", container.Path).Require();
            Namespace next = _bed.Added("c2", 31005);
            Assert.Single(_bed.Records);
            _bed.Plugin.Del(next, "c2").Require();
            _bed.AssertClean();
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ADD_leaves_its_ports_to_a_namespace_without_a_path_that_is_in_use(bool process)
    {
        Namespace container = _bed.Added("c1", 31005);
        Namespace other = _bed.Net.AddContainerNamespace();
        string mount = container.Path + "-elsewhere";
        using System.Diagnostics.Process? inside = process ? container.Start("sleep", "600") : null;
        if (!process)
        {
            File.WriteAllText(mount, "");
            _bed.Host.Execute("mount", "--bind", container.Path, mount).Require();
        }

        try
        {
            _bed.Host.Execute("umount", "-l", container.Path).Require();
            Bed.Fails(_bed.Plugin.Add(other, "c2", config: _bed.Config.WithPorts(31005)), 101);
            Assert.Single(_bed.Records);
        }
        finally
        {
            inside?.Kill();
            inside?.WaitForExit();
            if (!process)
            {
                _bed.Host.Execute("umount", "-l", mount);
                File.Delete(mount);
            }
        }

        _bed.Plugin.CommandLine("gc").Require();
        _bed.AssertClean();
    }

    [Theory]
    [InlineData("creating")]
    [InlineData("deleting")]
    public void What_a_dead_process_left_half_done_goes_though_the_namespace_lives(string state)
    {
        Namespace container = _bed.Added("c1", 31005);
        _bed.EditRecord("c1", record =>
        {
            record["state"] = state;
            record["process"]!["pid"] = 0;
        });
        Bed.Says(Gc().Require(), "reaped testnet/c1/eth0");
        Bed.AssertLoopbackRestored(container);
        _bed.AssertClean();
    }

    [Fact]
    public void What_a_living_process_is_doing_is_left_to_it()
    {
        _bed.Added("c1");
        _bed.EditRecord("c1", record =>
        {
            record["state"] = "creating";
            record["process"]!["pid"] = Environment.ProcessId;
            record["process"]!["startTime"] = SliceTests.StartTime(Environment.ProcessId);
        });
        Assert.Equal("", Gc().Require());
        _bed.Plugin.Gc([], _bed.Config.With("gcForce", true)).Require();
        Assert.Single(_bed.Records);
    }

    [Fact]
    public void Records_of_an_earlier_boot_and_of_another_host_without_containers_go()
    {
        Namespace first = _bed.Added("c1");
        Namespace second = _bed.Added("c2");
        Namespace third = _bed.Added("c3");
        SliceTests.Kill(_bed, first, "c1");
        SliceTests.Kill(_bed, second, "c2");
        _bed.EditRecord("c1", record => record["madeOn"]!["bootId"] = "00000000-0000-4000-8000-000000000000");
        _bed.EditRecord("c2", record => record["madeOn"]!["netns"] = "4:1");
        _bed.EditRecord("c3", record => record["madeOn"]!["netns"] = "4:1");
        Assert.Equal(2, Lines(Gc()).Length);
        Assert.Equal("c3", Assert.Single(Ids()));
        _bed.Plugin.Del(third, "c3").Require();
    }

    [Fact]
    public void A_fault_of_one_is_told_and_keeps_no_other()
    {
        Namespace[] dead = [_bed.Added("c1"), _bed.Added("c2"), _bed.Added("c3")];
        for (int n = 0; n < dead.Length; n++)
        {
            SliceTests.Kill(_bed, dead[n], $"c{n + 1}");
        }

        // A file that something is mounted on can be neither replaced nor removed.
        string record = _bed.RecordPath("c2");
        _bed.Host.Execute("mount", "--bind", record, record).Require();
        try
        {
            Bed.Fails(_bed.Plugin.Gc([]), 999, "testnet/c2/eth0", record);
            Assert.Equal("c2", Assert.Single(Ids()));
            CommandResult reaped = Gc();
            Assert.Equal(1, reaped.ExitCode);
            Assert.DoesNotContain("reaped", reaped.Output, StringComparison.Ordinal);
            Bed.Says(reaped.Error, "testnet/c2/eth0", record);
        }
        finally
        {
            _bed.Host.Execute("umount", record).Require();
        }

        Bed.Says(Gc().Output, "reaped testnet/c2/eth0");
    }

    [Fact]
    public void A_record_with_values_that_nothing_can_be_computed_from_is_unreadable_and_goes_with_its_interface()
    {
        Namespace dead = _bed.Added("c1");
        string path = _bed.RecordPath("c1");
        SliceTests.Kill(_bed, dead, "c1");
        _bed.EditRecord("c1", record => record["host"]!["address"] = "nowhere");
        _bed.Plugin.Gc([]).Require();
        CommandResult reaped = Gc();
        Assert.Equal(0, reaped.ExitCode);
        Bed.Says(reaped.Output, path, "nowhere");
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void By_force_GC_takes_down_what_lives_and_is_not_listed()
    {
        Namespace listed = _bed.Added("listed");
        Namespace stale = _bed.Added("stale", 31005);
        _bed.Plugin.Gc([("listed", "eth0")]).Require();
        Assert.Equal(2, _bed.Records.Length);
        _bed.Plugin.Gc([("listed", "eth0")], _bed.Config.With("GCFORCE", true)).Require();
        Assert.Equal("listed", Assert.Single(Ids()));
        Bed.AssertLoopbackRestored(stale);
        _bed.Plugin.Check(listed, "listed").Require();
        Bed.Fails(_bed.Plugin.Gc([], _bed.Config.With("gcForce", "yes")), 7, "gcForce", "yes");
        Assert.Single(_bed.Records);
        _bed.Plugin.Del(listed, "listed").Require();
        _bed.AssertClean();
    }

    [Fact]
    public void Interfaces_and_filters_that_no_record_knows_go_where_nothing_lives()
    {
        Namespace alive = _bed.Added("alive", 31001);
        Namespace lost = _bed.Added("lost", 31002);
        Namespace deserted = _bed.Added("deserted", 31003);
        Namespace ended = _bed.Added("ended", 31004);
        string[] links = [_bed.HostInterface("lost"), _bed.HostInterface("deserted")];
        SliceTests.Kill(_bed, ended, "ended");
        Abandon(deserted);
        foreach (string id in new[] { "lost", "deserted", "ended" })
        {
            File.Delete(_bed.RecordPath(id));
        }

        KernelState before = Bed.Settled(_bed.Host);
        string dry = Gc("--dry-run").Require();
        Bed.Says(dry, "would remove interface " + links[1], "filters of eth0 that lead nowhere", "filters of lo that lead nowhere");
        Assert.DoesNotContain(links[0], dry, StringComparison.Ordinal);
        Bed.Unchanged(before, _bed.Host);
        Bed.Says(Gc().Require(), "removed interface " + links[1], "deserted", "filters of eth0 that lead nowhere");
        Assert.Equal("", Gc().Require());
        Assert.Contains(links[0], HostEnds());
        Assert.DoesNotContain(links[1], HostEnds());
        _bed.Plugin.Check(alive, "alive", config: _bed.Config.WithPorts(31001)).Require();
        _bed.Plugin.Del(lost, "lost").Require();
        _bed.Plugin.Del(alive, "alive").Require();
        _bed.AssertClean();
    }

    /// <summary>Indexes follow from the ports, so those of another host's containers on the same machine are the same.</summary>
    [Fact]
    public void What_lives_in_a_container_of_another_host_keeps_no_interface_of_this_one()
    {
        using Bed elsewhere = new();
        elsewhere.Added("alive", 31001);
        Namespace deserted = _bed.Added("deserted", 31001);
        string link = _bed.HostInterface("deserted");
        Assert.Equal((int)elsewhere.Record("alive")["numbers"]!["containerEnd"]!, (int)_bed.Record("deserted")["numbers"]!["containerEnd"]!);
        Abandon(deserted);
        File.Delete(_bed.RecordPath("deserted"));
        Bed.Says(Gc().Require(), "removed interface " + link);
        _bed.AssertClean();
    }

    [Fact]
    public void Unreadable_records_go_once_their_interface_is_gone()
    {
        Namespace alive = _bed.Added("alive", 31001);
        Namespace dead = _bed.Added("dead", 31002);
        Namespace aside = _bed.Added("aside", 31003);
        string[] paths = [_bed.RecordPath("alive"), _bed.RecordPath("dead"), _bed.RecordPath("aside")];
        string text = File.ReadAllText(paths[0]);
        SliceTests.Kill(_bed, dead, "dead");
        SliceTests.Kill(_bed, aside, "aside");
        File.WriteAllText(paths[0], "{");
        File.WriteAllText(paths[1], "{");
        File.Move(paths[2], paths[2] + ".unreadable");
        _bed.Plugin.Gc([]).Require();
        Assert.Equal(3, _bed.Records.Length);
        Bed.Says(Gc().Require(), paths[1], paths[2] + ".unreadable");
        Assert.Equal(paths[0], Assert.Single(_bed.Records));
        File.WriteAllText(paths[0], text);
        _bed.Plugin.Check(alive, "alive", config: _bed.Config.WithPorts(31001)).Require();
        _bed.Plugin.Del(alive, "alive").Require();
        _bed.AssertClean();
    }

    [Fact]
    public void Uninstall_by_force_takes_many_at_once()
    {
        for (int n = 0; n < 8; n++)
        {
            _bed.Added($"c{n}", 31000 + n);
        }

        Assert.Equal(8, Lines(_bed.Plugin.CommandLine("uninstall", "--force")).Count(line => line.StartsWith("removed testnet/c", StringComparison.Ordinal)));
        Bed.Unchanged(_bed.Before, _bed.Host);
        Assert.False(Directory.Exists(_bed.Store));
    }

    private static string[] Lines(CommandResult result) => result.Require().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private CommandResult Gc(params string[] options) => _bed.Plugin.CommandLine(["gc", .. options]);

    private IEnumerable<string> Ids() => _bed.Records.Select(path => (string)JsonNode.Parse(File.ReadAllText(path))!["key"]!["containerId"]!);

    private IEnumerable<string> HostEnds() => _bed.Host.Ip("-j link show type veth") is { Length: > 0 } shown
        ? JsonNode.Parse(shown)!.AsArray().Select(link => (string)link!["ifname"]!).Where(name => name.StartsWith("pmi", StringComparison.Ordinal))
        : [];

    /// <summary>Takes the namespace's name away, while a descriptor keeps it, and its interface, alive.</summary>
    private void Abandon(Namespace container)
    {
        _held.Add(File.OpenHandle(container.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        container.Dispose();
    }
}
