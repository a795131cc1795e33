using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>An ADD that fails in the middle leaves host, container and store as they were, and the next one works.</summary>
public sealed class RollbackTests
{
    /// <summary>What stands in the way on the host, how it goes away again, and what ADD says.</summary>
    private static readonly (string Name, string[] Put, string[] Take, int Code, string[] Said)[] HostObstacles =
    [
        ("another protocol at our priority",
            ["qdisc add dev eth0 clsact", "filter add dev eth0 ingress protocol ipv6 prio 28782 u32 match u32 0 0 action mirred egress mirror dev lo"],
            ["qdisc del dev eth0 clsact"], 107, ["rolled back"]),
        ("another kind at our priority",
            ["qdisc add dev eth0 clsact", "filter add dev eth0 ingress protocol ip prio 28782 bpf bytecode '1,6 0 0 0,' action mirred egress mirror dev lo"],
            ["qdisc del dev eth0 clsact"], 107, ["rolled back"]),
        ("another kind at our priority of lo",
            ["qdisc add dev lo clsact", "filter add dev lo ingress protocol ip prio 28782 bpf bytecode '1,6 0 0 0,' action mirred egress mirror dev eth0"],
            ["qdisc del dev lo clsact"], 107, ["rolled back"]),
        ("another protocol at our ARP priority",
            ["qdisc add dev eth0 clsact", "filter add dev eth0 ingress protocol ip prio 28781 u32 match u32 0 0 action mirred egress mirror dev lo"],
            ["qdisc del dev eth0 clsact"], 107, ["rolled back"]),
        ("a node of somebody at our handle",
            [
                "qdisc add dev eth0 clsact",
                "filter add dev eth0 ingress protocol ip prio 28782 handle 610: u32 divisor 256",
                "filter add dev eth0 ingress protocol ip prio 28782 handle 610:40:801 u32 ht 610:40: match u32 0x4000 0xffff at 0 action mirred egress redirect dev hole0",
            ],
            ["qdisc del dev eth0 clsact"], 101, ["hole0", "610:40:801"]),
    ];

    public static TheoryData<string> Obstacles => [.. HostObstacles.Select(one => one.Name)];

    [Theory]
    [MemberData(nameof(Obstacles))]
    public async Task Somebody_s_filter_in_the_way_stays_and_nothing_of_ours_does(string name)
    {
        (_, string[] put, string[] take, int code, string[] said) = HostObstacles.Single(one => one.Name == name);
        using Bed bed = new();
        bed.Host.IpBatch("link add hole0 type veth peer name hole1", "link set hole0 up", "link set hole1 up");
        KernelState clean = Bed.Settled(bed.Host);
        bed.Host.TcBatch(put);
        Namespace container = bed.Container();
        KernelState host = Bed.Settled(bed.Host);
        KernelState inside = Bed.Settled(container);
        Bed.Fails(bed.Plugin.Add(container, "c1", config: bed.Config.WithPorts(31005)), code, said);
        Bed.Unchanged(host, bed.Host);
        Bed.Unchanged(inside, container);
        Assert.Empty(bed.Records);

        bed.Host.TcBatch(take);
        await AddWorksAsync(bed, container);
        Bed.Unchanged(clean, bed.Host);
    }

    [Fact]
    public async Task A_failure_beside_a_living_container_leaves_that_one_working()
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1", 31005);
        Namespace second = bed.Container();
        Occupy(second);
        KernelState host = Bed.Settled(bed.Host);
        KernelState neighbour = Bed.Settled(first);
        KernelState inside = Bed.Settled(second);
        Bed.Fails(bed.Plugin.Add(second, "c2", config: bed.Config.WithPorts(31006)), 107);
        Bed.Unchanged(host, bed.Host);
        Bed.Unchanged(neighbour, first);
        Bed.Unchanged(inside, second);
        Assert.Single(bed.Records);
        bed.Plugin.Check(first, "c1").Require();
        await bed.AssertReachableAsync(first, 31005);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_table_of_our_number_that_the_container_has_already_fails_the_ADD_and_stays(bool loopbackUp)
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        if (loopbackUp)
        {
            container.Ip("link set lo up");
        }

        container.Sysctls(("net/ipv4/conf/lo/accept_local", "0"), ("net/ipv4/ip_local_port_range", "40000 50000"), ("net/ipv6/conf/all/disable_ipv6", "0"));
        Occupy(container);
        KernelState inside = Bed.Settled(container);
        Bed.Fails(bed.Plugin.Add(container, "c1"), 107, "add filters to lo in the container");
        Bed.Unchanged(inside, container);
        bed.AssertClean();
        container.Execute("tc", "qdisc", "del", "dev", "lo", "clsact").Require();
        await AddWorksAsync(bed, container);
        bed.AssertClean();
    }

    [Fact]
    public async Task A_disk_that_is_full_at_the_end_rolls_everything_back()
    {
        using Bed bed = new();
        Directory.CreateDirectory(bed.Store);
        bed.Host.Execute("mount", "-t", "tmpfs", "-o", "size=8k,mode=0700", "tmpfs", bed.Store).Require();
        try
        {
            // One page for host.json and one for the record: none is left to write the record again in its final state.
            Namespace container = bed.Container();
            KernelState inside = Bed.Settled(container);
            PluginResult result = bed.Plugin.Add(container, "c1");
            Bed.Fails(result, result.ErrorCode == 105 ? 105 : 107, "space");
            bed.AssertClean();
            Bed.Unchanged(inside, container);
            bed.Host.Execute("mount", "-o", "remount,size=64k", bed.Store).Require();
            await AddWorksAsync(bed, container);
            bed.AssertClean();
        }
        finally
        {
            bed.Host.Execute("umount", "-l", bed.Store).Require();
        }
    }

    [Fact]
    public void An_interface_index_that_is_taken_is_avoided_on_the_host_and_named_in_the_container()
    {
        using Bed bed = new();
        const int Wanted = 0x706d_0000 | Bed.FirstSlice;
        bed.Host.Ip($"link add own0 index {Wanted} type veth peer name own1");
        KernelState host = Bed.Settled(bed.Host);
        Namespace first = bed.Added("c1");
        Assert.NotEqual(Wanted, (int)bed.Record("c1")["numbers"]!["hostEnd"]!);
        bed.Plugin.Del(first, "c1").Require();
        Bed.Unchanged(host, bed.Host);
        bed.Host.Ip("link del own0");

        // The slice that comes next has its index taken inside the container.
        Namespace second = bed.Container();
        second.Ip($"link add own0 index {Wanted + 1024} type veth peer name own1");
        KernelState inside = Bed.Settled(second);
        Bed.Fails(bed.Plugin.Add(second, "c2"), 102, "own0", $"{Wanted + 1024}");
        Bed.Unchanged(inside, second);
        bed.AssertClean();
        second.Ip("link del own0");
        bed.Plugin.Add(second, "c2").Require();
        bed.Plugin.Del(second, "c2").Require();
        bed.AssertClean();
    }

    [Fact]
    public void A_veth_of_our_name_that_nobody_remembers_does_not_break_the_host()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1");
        string name = bed.HostInterface("c1");
        bed.Plugin.Del(container, "c1").Require();
        bed.Host.Ip($"link add {name} type veth peer name own1");
        KernelState host = Bed.Settled(bed.Host);
        KernelState inside = Bed.Settled(container);
        PluginResult result = bed.Plugin.Add(container, "c1");
        Bed.Fails(result, 107, name);
        Bed.Unchanged(inside, container);
        Assert.Empty(bed.Records);

        // A DEL takes the stray away by its name, so a runtime that retries gets on.
        bed.Plugin.Del(container, "c1").Require();
        bed.AssertClean();
        bed.Plugin.Add(container, "c1").Require();
        Assert.NotEqual(host, Bed.Settled(bed.Host));
    }

    private static void Occupy(Namespace container)
    {
        container.IpBatch(
            "link add own0 type veth peer name own1",
            "address add 172.30.0.2/24 dev own0",
            "link set own0 up",
            "link set own1 up",
            "route add default via 172.30.0.1 dev own0");

        // The kernel numbers the tables of a hook, whatever the priority of their filters.
        container.Execute("tc", "qdisc", "add", "dev", "lo", "clsact").Require();
        container.Execute("tc", "filter", "add", "dev", "lo", "ingress", "protocol", "ip", "prio", "5", "handle", "700:", "u32", "divisor", "1").Require();
    }

    private static async Task AddWorksAsync(Bed bed, Namespace container)
    {
        bed.Plugin.Add(container, "c1", config: bed.Config.WithPorts(31005)).Require();
        bed.Plugin.Check(container, "c1").Require();
        await bed.AssertReachableAsync(container, 31005);
        bed.Plugin.Del(container, "c1").Require();
    }
}
