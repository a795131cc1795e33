using System.Diagnostics;

namespace CniIsolator.Testbed.Tests;

public sealed class StateTests
{
    [Fact]
    public async Task A_snapshot_is_stable_under_traffic_and_shows_each_kind_of_change()
    {
        using Topology topology = new();
        Namespace host = topology.Host;
        host.TcBatch("qdisc add dev eth0 ingress", "filter add dev eth0 ingress protocol ip prio 7 u32 match ip protocol 1 0xff action mirred egress mirror dev lo");
        KernelState before = KernelState.Snapshot(host);
        await Ping.SendAsync(topology.Out, topology.HostAddress);
        KernelState same = KernelState.Snapshot(host);
        Assert.Equal("", before.Diff(same));
        Assert.Equal(before, same);

        host.Tc("filter add dev eth0 ingress protocol arp prio 1 u32 match u16 2 0xffff at 6 action mirred egress mirror dev lo continue");
        host.IpBatch("address add 192.0.2.1/32 dev lo", "route add 203.0.113.0/24 dev eth0", "link set lo mtu 1500");
        host.Sysctl("net/ipv4/conf/lo/route_localnet", "1");
        string diff = before.Diff(KernelState.Snapshot(host));
        foreach (string part in new[]
                 {
                     "+ filter dev eth0 ingress protocol arp pref 1", "+ address lo", "203.0.113.0/24", "- link lo", "+ link lo",
                     "- sysctl net/ipv4/conf/lo/route_localnet 0", "+ sysctl net/ipv4/conf/lo/route_localnet 1",
                 })
        {
            Assert.Contains(part, diff, StringComparison.Ordinal);
        }

        host.Tc("filter del dev eth0 ingress protocol arp prio 1");
        host.IpBatch("address del 192.0.2.1/32 dev lo", "route del 203.0.113.0/24 dev eth0", "link set lo mtu 65536");
        host.Sysctl("net/ipv4/conf/lo/route_localnet", "0");
        Assert.Equal("", before.Diff(KernelState.Snapshot(host)));
    }

    [Fact]
    public void The_sweep_removes_what_dead_processes_left_and_nothing_of_the_living()
    {
        using Namespace alive = Namespace.Create("alive");
        using Process dead = Process.Start(new ProcessStartInfo("true"))!;
        dead.WaitForExit();
        string name = $"pmit-{dead.Id}-1-left";
        string directory = Path.Combine(Path.GetTempPath(), $"pmit-{dead.Id}-1-state");
        Directory.CreateDirectory(directory);
        using (Process make = Process.Start("ip", ["netns", "add", name]))
        {
            make.WaitForExit();
            Assert.Equal(0, make.ExitCode);
        }

        Leftovers.Sweep();
        Assert.False(File.Exists(Path.Combine(Namespace.Directory, name)));
        Assert.False(Directory.Exists(directory));
        Assert.True(File.Exists(alive.Path));
    }

    [Fact]
    public void A_namespace_is_made_where_the_first_of_ip_does_not_hide_it()
    {
        using Namespace made = Namespace.Create("first");
        Assert.True(Namespace.IsDirectoryMounted);
    }

    [Fact]
    public void A_disposed_topology_leaves_nothing()
    {
        Topology topology = new(new TopologyOptions { Transit = true });
        topology.AddContainerNamespace();
        string[] paths = [topology.Host.Path, topology.Out.Path, topology.Transit!.Path, .. topology.Containers.Select(one => one.Path), topology.StateDirectory];
        Assert.All(paths, path => Assert.True(Path.Exists(path)));
        topology.Dispose();
        Assert.All(paths, path => Assert.False(Path.Exists(path)));
    }
}
