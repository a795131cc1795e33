using CniIsolator.Testbed;

namespace CniIsolator.Linux.Tests;

/// <summary>Frames between the ends of a veth pair.</summary>
public sealed class AddressAnnouncementTests : IDisposable
{
    private static readonly byte[] Mac = [0x02, 0x42, 0x0a, 0x4d, 0x00, 0x02];
    private static readonly byte[] Address = [10, 77, 0, 2];
    private readonly Namespace _here = Namespace.Create("here");
    private readonly Namespace _there = Namespace.Create("there");

    public AddressAnnouncementTests()
    {
        _here.Ip($"link add near0 index 7 type veth peer name far0 netns {_there.Name}");
        _here.Ip("link set near0 up");
        _there.Ip("link set far0 up");
    }

    public void Dispose()
    {
        _here.Dispose();
        _there.Dispose();
    }

    [Fact]
    public void One_frame_arrives_byte_for_byte()
    {
        using var socket = PacketSocket.Open(_there, "far0", IsArp);
        _here.Run(() => AddressAnnouncement.Send(7, Mac, Address));
        var frame = socket.WaitFor(_ => true);
        Assert.NotNull(frame);
        Assert.Equal(
            "ffffffffffff" + "02420a4d0002" + "0806" // Ethernet: to everybody, from the MAC, ARP
            + "0001" + "0800" + "06" + "04" + "0001" // Ethernet, IPv4, the lengths of their addresses, a request
            + "02420a4d0002" + "0a4d0002" // sender
            + "000000000000" + "0a4d0002", // target
            Convert.ToHexStringLower(frame.Data));

        // Frames keep their order: all that came before the second one is here with it.
        byte[] other = [10, 77, 0, 3];
        _here.Run(() => AddressAnnouncement.Send(7, Mac, other));
        Assert.NotNull(socket.WaitFor(f => f.Data[^1] == 3));
        Assert.Equal(2, socket.Frames.Count);
    }

    [Fact]
    public void A_neighbour_takes_the_new_MAC()
    {
        _there.Ip("address add 10.77.0.1/24 dev far0");
        _there.Ip("neigh add 10.77.0.2 lladdr 02:00:00:00:00:09 dev far0 nud stale");
        _here.Run(() => AddressAnnouncement.Send(7, Mac, Address));
        Wait.Until(() => _there.Ip("neigh show 10.77.0.2").Contains("02:42:0a:4d:00:02", StringComparison.Ordinal), "the neighbour to know the MAC");
    }

    [Fact]
    public void An_interface_that_is_not_there_or_down_is_an_error()
    {
        Assert.Equal(Errno.NoDeviceOrAddress, Refused(99).Errno);
        _here.Ip("link set near0 down");
        Assert.Equal(Errno.NetworkDown, Refused(7).Errno);
    }

    [Theory]
    [InlineData(5, 4)]
    [InlineData(6, 16)]
    public void Other_lengths_are_refused(int mac, int address) =>
        Assert.Throws<ArgumentException>(() => AddressAnnouncement.Send(7, new byte[mac], new byte[address]));

    private LinuxException Refused(int index) =>
        Assert.Throws<LinuxException>(() => _here.Run(() => AddressAnnouncement.Send(index, Mac, Address)));

    private static bool IsArp(CapturedFrame frame) => frame.Data is [_, _, _, _, _, _, _, _, _, _, _, _, 0x08, 0x06, ..];
}
