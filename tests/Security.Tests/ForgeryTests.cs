using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>What the root of a container, with every network capability, can send: exactly what is its own.</summary>
public sealed class ForgeryTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_forged_frame_turns_up_where_it_may_and_nowhere_else(bool careless)
    {
        using Site site = new(2, new TopologyOptions { Transit = true, ReversePathFilter = careless ? 0 : 2 });
        if (careless)
        {
            // What some other software sets, or asks its operator to: the policing must not depend on it.
            site.Host.Sysctls(("net/ipv4/conf/all/accept_local", "1"), ("net/ipv4/conf/all/route_localnet", "1"), ("net/ipv4/conf/all/accept_source_route", "1"));
        }

        Disarm(site.C1.Place);
        using Bystanders bystanders = new(site);
        IReadOnlyList<Forgery> table = ForgeryTable.All(site);
        using Sniffers sniffers = new(site);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0", _ => false);
        foreach (Forgery forgery in table)
        {
            c1.Send(forgery.Frame);
        }

        // Once rightful packets have come by every way, the others would have.
        Mark last = new();
        c1.Send(site.ToOut(Frames.Udp(site.AtHost(site.C1.Port), site.AtOut(), last.Bytes)));
        c1.Send(site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), site.AtHost(Site.ServerPort), last.Bytes)));
        c1.Send(site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), site.AtHost(site.C2.Port), last.Bytes)));
        sniffers.WaitFor(last, Places.Wire | Places.Loopback | Places.Neighbour | Places.Host);
        site.AssertQuiet();
        string[] wrong =
        [
            .. from forgery in table
               let seen = sniffers.Seen(forgery.Mark)
               where seen != forgery.Allowed
               select $"{forgery.Name}: expected {forgery.Allowed}, seen {seen}",
        ];
        Assert.True(wrong.Length == 0, $"{wrong.Length} of {table.Count}:\n{string.Join('\n', wrong)}");
        bystanders.AssertUnharmed();
    }

    /// <summary>Takes away what the plugin put into the container: it serves the container, not the others.</summary>
    private static void Disarm(Namespace container)
    {
        container.TcBatch("qdisc del dev eth0 clsact", "qdisc del dev lo clsact");
        container.IpBatch("link set eth0 promisc on", "link set eth0 arp off", "address add 10.77.0.1/32 dev lo", "address add 10.77.0.99/32 dev eth0");
        container.Sysctls(
            ("net/ipv4/ip_local_port_range", "1024 65000"), ("net/ipv4/conf/all/route_localnet", "1"), ("net/ipv4/conf/all/forwarding", "1"),
            ("net/ipv4/conf/all/rp_filter", "0"));
    }
}
