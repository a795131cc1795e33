namespace CniIsolator.Ipam.Tests;

public class PortSpaceTests
{
    private static readonly PortSpace Space = new(
    [
        Samples.Attachment("a", PortRange.Parse("32768-33791"), 1, new PortClaim(TransportProtocol.Tcp, PortRange.Parse("31000-31009"))),
        Samples.Attachment("b", PortRange.Parse("33792-34815"), 2, new PortClaim(TransportProtocol.Udp, PortRange.Parse("31000-31004"))) with
        {
            Key = new AttachmentKey("other", "b", "eth0"),
        },
        Samples.Attachment("c", PortRange.Parse("0-15"), 4, new PortClaim(TransportProtocol.Sctp, PortRange.Single(65535))),
    ]);

    [Theory]
    [InlineData(TransportProtocol.Tcp, "31009-31020", "a", "31000-31009", TransportProtocol.Tcp)]
    [InlineData(TransportProtocol.Udp, "31003", "b", "31000-31004", TransportProtocol.Udp)]
    [InlineData(TransportProtocol.Udp, "31005", null, null, null)]
    [InlineData(TransportProtocol.Sctp, "31000-31009", null, null, null)]
    [InlineData(TransportProtocol.Tcp, "31010", null, null, null)]
    [InlineData(TransportProtocol.Tcp, "33791", "a", "32768-33791", null)]
    [InlineData(TransportProtocol.Udp, "34815-34900", "b", "33792-34815", null)]
    [InlineData(TransportProtocol.Sctp, "0", "c", "0-15", null)]
    [InlineData(TransportProtocol.Sctp, "65535", "c", "65535", TransportProtocol.Sctp)]
    [InlineData(TransportProtocol.Tcp, "65535", null, null, null)]
    public void Names_the_holder_of_a_port(TransportProtocol protocol, string ports, string? holder, string? range, TransportProtocol? owned)
    {
        var found = Space.FindHolder(new PortClaim(protocol, PortRange.Parse(ports)));
        Assert.Equal(holder, found?.ContainerId);
        Assert.Equal(range, found?.Range.ToString());
        Assert.Equal(owned, found?.Protocol);
    }

    [Fact]
    public void The_holder_says_who_and_what()
    {
        var slice = Space.FindHolder(PortRange.Parse("34000-34015"))!;
        Assert.True(slice.IsSlice);
        Assert.Equal(new AttachmentKey("other", "b", "eth0"), slice.Key);
        Assert.Equal("container b (eth0, network other) owns ephemeral ports 33792-34815", slice.ToString());
        Assert.Equal(
            "container a (eth0, network shared) owns tcp/31000-31009",
            Space.FindHolder(new PortClaim(TransportProtocol.Tcp, PortRange.Single(31000)))!.ToString());
    }

    [Fact]
    public void An_attachment_may_keep_its_own_fixed_ports_but_not_take_its_own_slice()
    {
        var asker = new AttachmentKey("shared", "a", "eth0");
        Assert.Null(Space.FindHolder(new PortClaim(TransportProtocol.Tcp, PortRange.Single(31000)), asker));
        Assert.NotNull(Space.FindHolder(new PortClaim(TransportProtocol.Tcp, PortRange.Single(32768)), asker));
    }

    [Fact]
    public void While_ports_are_changed_the_old_and_the_new_ones_are_owned()
    {
        PortClaim[] before = [new(TransportProtocol.Tcp, PortRange.Parse("31000-31001"))];
        PortClaim[] after = [new(TransportProtocol.Tcp, PortRange.Parse("31001-31002")), new(TransportProtocol.Udp, PortRange.Single(31000))];
        var changing = Samples.Attachment("a", claims: before) with { Change = new AttachmentChange(after, default) };
        PortSpace space = new([changing]);
        foreach (var claim in before.Concat(after))
        {
            Assert.Equal("a", space.FindHolder(claim)?.ContainerId);
            Assert.Null(space.FindHolder(claim, changing.Key));
            Assert.Contains(claim.Range, space.Owned);
        }

        Assert.Null(space.FindHolder(new PortClaim(TransportProtocol.Udp, PortRange.Parse("31001-31002"))));
        Assert.NotNull(space.FindHolder(PortRange.Parse("31002-31003")));
        Assert.Null(space.FindHolder(PortRange.Parse("31003-31004")));
        Assert.Equal(before, (changing with { Change = null }).OwnedClaims);
    }

    [Fact]
    public void A_slice_must_be_clear_of_fixed_ports_of_every_protocol()
    {
        Assert.Equal("b", new PortSpace([Samples.Attachment("b", slot: 1, claims: new PortClaim(TransportProtocol.Udp, PortRange.Single(40005)))])
            .FindHolder(PortRange.Parse("40000-40015"))?.ContainerId);
        Assert.Null(Space.FindHolder(PortRange.Parse("40000-40015")));
        Assert.Contains(PortRange.Parse("31000-31004"), Space.Owned);
        Assert.Equal(3, Space.Slices.Count());
    }

    [Fact]
    public void Slots_are_the_smallest_free_ones()
    {
        Assert.Equal(1, AttachmentSlot.Next([]));
        var some = new[] { 1, 2, 4 }.Select(slot => Samples.Attachment(slot: slot)).ToList();
        Assert.Equal(3, AttachmentSlot.Next(some));
        Assert.Equal(6, AttachmentSlot.Next(some, [3, 5]));
        Assert.Equal(4095, AttachmentSlot.Next([], Enumerable.Range(1, 4094)));
        Assert.Null(AttachmentSlot.Next([], Enumerable.Range(1, 4095)));
    }
}
