using System.Text.Json;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>
/// What CAP_NET_ADMIN without a user namespace is: a veth shows its container an id of the host's network namespace (IFLA_LINK_NETNSID), by which
/// devices can be made there. Nothing here is as it should be: the tests tell what the documentation says of it.
/// </summary>
public sealed class NamespaceIdTests
{
    [Fact]
    public void Without_a_user_namespace_NET_ADMIN_sends_by_the_host_s_interface_what_it_likes()
    {
        using Site site = new(2);
        int id = LinkOf(site.C1.Place, "eth0").GetProperty("link_netnsid").GetInt32();
        int master = LinkOf(site.Host, "eth0").GetProperty("ifindex").GetInt32();
        site.C1.Place.Ip($"link add link if{master} link-netnsid {id} name spy0 type macvlan mode bridge");
        site.C1.Place.Ip("link set spy0 up");
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface, frame => !frame.Outgoing);
        using PacketSocket spy = PacketSocket.Open(site.C1.Place, "spy0", frame => !frame.Outgoing);
        Mark mark = new();
        spy.Send(site.ToOut(Frames.Udp(site.AtHost(site.C2.Port), site.AtOut(), mark.Bytes)));
        Assert.NotNull(wire.WaitFor(mark.In));
        site.C1.Place.Ip("link del spy0");
    }

    /// <summary>Ids are given when somebody asks, not by the plugin: the container's own listing of its devices is enough.</summary>
    [Fact]
    public void The_id_is_there_as_soon_as_the_container_lists_its_devices()
    {
        using Site site = new(1);
        Assert.True(LinkOf(site.C1.Place, "eth0").TryGetProperty("link_netnsid", out _));
        Assert.Contains("nsid 0", site.C1.Place.Ip("netns list-id"), StringComparison.Ordinal);
    }

    private static JsonElement LinkOf(Namespace place, string device)
    {
        using JsonDocument shown = JsonDocument.Parse(place.Ip($"-j link show dev {device}"));
        return shown.RootElement[0].Clone();
    }
}
