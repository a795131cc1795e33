using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>
/// Other ports for a container that runs: list, record and kernel say the same afterwards, and nothing of what was before is left.
/// A second container lives on all the while: with the last one the shared tables go, and what had leaked in them.
/// </summary>
public sealed class UpdateTests : IDisposable
{
    private readonly Bed _bed = new();

    public void Dispose() => _bed.Dispose();

    [Fact]
    public void Every_change_of_ports_leaves_list_record_and_kernel_agreed()
    {
        Namespace neighbour = _bed.Added("n", 31500);
        KernelState alone = Bed.Settled(_bed.Host);
        Namespace container = _bed.Added("c1", 31000);
        foreach ((string ports, string listed, int blocks) in new[]
                 {
                     ("31000-31001", "31000-31001/tcp 31000-31001/udp", 2),
                     ("31000-31007", "31000-31007/tcp 31000-31007/udp", 2),
                     ("31002", "31002/tcp 31002/udp", 2),
                     ("31001-31003", "31001-31003/tcp 31001-31003/udp", 4),
                     ("31003,31002,31010/tcp", "31002-31003/tcp 31010/tcp 31002-31003/udp", 3),
                     ("31010/udp, 31010/sctp", "31010/udp 31010/sctp", 2),
                     ("none", "", 0),
                     ("31000-31255/TCP", "31000-31255/tcp", 6),
                     ("31000-31255/tcp", "31000-31255/tcp", 6),
                     ("31005,31005/udp,31004-31006/udp", "31005/tcp 31004-31006/udp", 3),
                     ("31000", "31000/tcp 31000/udp", 2),
                 })
        {
            string shown = _bed.Update("c1", "--ports", ports).Require();
            Bed.Says(shown, "c1", "changed");
            Assert.Equal(listed, Bed.Ports(_bed.Listed("c1")));
            Assert.Equal(listed, Bed.Ports(_bed.Record("c1")));
            Assert.Empty(_bed.Listed("c1")["warnings"]!.AsArray());
            Assert.Null(_bed.Record("c1")["change"]);
            PluginResult check = _bed.Plugin.Check(container, "c1");
            Assert.True(check.Succeeded, $"{ports}: {check}");
            Assert.Equal((blocks, ports), (FixedEntries("lo"), ports));
            Assert.Equal((blocks, ports), (FixedEntries("eth0"), ports));
        }

        _bed.Plugin.Check(neighbour, "n").Require();
        _bed.Plugin.Del(container, "c1").Require();
        Bed.AssertLoopbackRestored(container);
        Bed.Unchanged(alone, _bed.Host);
        _bed.Plugin.Del(neighbour, "n").Require();
        _bed.AssertClean();
    }

    [Fact]
    public void The_way_there_and_back_ends_where_it_began()
    {
        _bed.Added("n", 31500);
        Namespace container = _bed.Added("c1", 31000, 31005);
        string[] host = Sorted(_bed.Host);
        string[] inside = Sorted(container);
        foreach (string ports in new[] { "31000-31007", "31002,31005", "none", "31000,31005" })
        {
            _bed.Update("c1", "--ports", ports).Require();
        }

        Assert.Equal(host, Sorted(_bed.Host));
        Assert.Equal(inside, Sorted(container));
    }

    [Fact]
    public void Freed_ports_are_there_for_others_at_once_and_given_ones_are_not()
    {
        Namespace first = _bed.Added("c1", 31000);
        Namespace second = _bed.Added("c2", 31005);
        _bed.Update("c1", "--ports", "31001").Require();
        Bed.Refused(_bed.Update("c2", "--ports", "31001/udp"), 1, "error 101", "31001", "c1");
        _bed.Update("c2", "--ports", "31000,31002").Require();
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c3", config: _bed.Config.WithPorts(31002)), 101, "31002", "c2");
        Namespace third = _bed.Added("c3", 31005);
        foreach ((Namespace container, string id) in new[] { (first, "c1"), (second, "c2"), (third, "c3") })
        {
            _bed.Plugin.Check(container, id).Require();
            _bed.Plugin.Del(container, id).Require();
        }

        _bed.AssertClean();
    }

    [Fact]
    public void CHECK_forgives_the_ports_of_the_runtime_but_no_filter()
    {
        Namespace container = _bed.Added("c1", 31000);
        NetworkConfig asked = _bed.Config.WithPorts(31000);
        _bed.Update("c1", "--ports", "31010").Require();
        _bed.Plugin.Check(container, "c1", config: asked).Require();

        // 31010 is 7922 in hex; its node is the low byte and one more.
        _bed.Host.Tc("filter del dev lo ingress protocol ip prio 28782 handle 611:79:23 u32");
        Bed.Fails(_bed.Plugin.Check(container, "c1", config: asked), 106, "filter 611:79:23 on lo", "found none");
        _bed.Update("c1", "--ports", "31011").Require();
        _bed.Plugin.Check(container, "c1", config: asked).Require();

        string veth = _bed.HostInterface("c1");
        string policing = _bed.Host.Tc($"filter show dev {veth} ingress").Split('\n').First(line => line.Contains("fh 700:6:", StringComparison.Ordinal));
        string handle = policing.Split("fh ")[1].Split(' ')[0];
        _bed.Host.Tc($"filter del dev {veth} ingress protocol ip prio 28782 handle {handle} u32");
        Bed.Fails(_bed.Plugin.Check(container, "c1", config: asked), 106, $"filter {handle} on {veth}", "found none");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_record_that_is_lost_after_a_change_is_rebuilt_with_the_new_ports(int changes)
    {
        Namespace container = _bed.Added("c1", 31000);
        foreach (string ports in new[] { "31002-31005", "31001,31008-31009/tcp" }.TakeLast(changes))
        {
            _bed.Update("c1", "--ports", ports).Require();
        }

        string path = _bed.RecordPath("c1");
        (string ports, (int, int) slice, int generation) before = (Bed.Ports(_bed.Record("c1")), _bed.Slice("c1"), Generation());
        Assert.Equal(changes % 2, before.generation);
        File.WriteAllText(path, "{ no record");
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "x", config: _bed.Config.WithPorts(31008)), 101, "31008", "c1");
        Namespace second = _bed.Added("c2", 31000);
        Assert.Equal(before, (Bed.Ports(_bed.Record("c1")), _bed.Slice("c1"), Generation()));
        await _bed.AssertReachableAsync(container, 31001);
        await _bed.AssertReachableAsync(second, 31000);
        _bed.Plugin.Check(container, "c1").Require();
        KernelState both = Bed.Settled(_bed.Host);
        Bed.Refused(_bed.Update("c1", "--ports", "31003"), 1, "error 103", "rebuilt");
        Bed.Unchanged(both, _bed.Host);
        _bed.Plugin.Check(container, "c1").Require();
        _bed.Plugin.Del(container, "c1").Require();
        _bed.Plugin.Del(second, "c2").Require();
        _bed.AssertClean();
    }

    /// <summary>Lines of a state: a filter that was removed and made again stands elsewhere in the list.</summary>
    private static string[] Sorted(Namespace place) => [.. Bed.Settled(place).Text.Split('\n').Order(StringComparer.Ordinal)];

    /// <summary>Entries of c1 in the tables of fixed ports, where tables 611 to 613 are those of TCP, UDP and SCTP.</summary>
    private int FixedEntries(string device)
    {
        string target = $"device {_bed.HostInterface("c1")})";
        string[] filters = _bed.Host.Tc($"filter show dev {device} ingress").Split("filter ");
        return filters.Count(one => one.Contains(target, StringComparison.Ordinal)
            && (one.Contains(" fh 611:", StringComparison.Ordinal) || one.Contains(" fh 612:", StringComparison.Ordinal) || one.Contains(" fh 613:", StringComparison.Ordinal)));
    }

    private int Generation() => (int?)_bed.Record("c1")["numbers"]!["generation"] ?? 0;
}
