using System.Text;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Sockets;
using CniIsolator.Ipam;
using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Exporter.Tests;

public sealed class SocketTests
{
    [Theory]
    [InlineData("sockets: used 4\nTCP: inuse 3 orphan 0 tw 2 alloc 4 mem 0\nUDP: inuse 5 mem 0\nUDPLITE: inuse 9\n", 3L, 2L, 5L)]
    [InlineData("TCP: inuse 3 tw 2", 3L, 2L, null)]
    [InlineData("TCP: tw 2 inuse 3\n", 3L, 2L, null)]
    [InlineData("TCP: inuse x orphan 0 tw -2\nUDP: inuse 5\n", null, null, 5L)]
    [InlineData("TCP: inuse 99999999999999999999 tw 1\n", null, 1L, null)]
    [InlineData("TCP: inuse\nUDP:\n", null, null, null)]
    [InlineData("TCP6: inuse 3\n", null, null, null)]
    [InlineData("XTCP: inuse 3 tw 2\n", null, null, null)]
    [InlineData("", null, null, null)]
    public void Counts(string text, long? tcp, long? timeWait, long? udp) =>
        Assert.Equal(new SocketCounts(tcp, timeWait, udp), SocketCounts.Parse(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Counts_of_the_other_family() => Assert.Equal(
        new SocketCounts(3, null, 4),
        SocketCounts.Parse("TCP6: inuse 3\nUDP6: inuse 4\nUDPLITE6: inuse 9\nRAW6: inuse 0\n"u8, "6"u8));

    [Fact]
    public void Marks_are_a_set_of_ports() =>
        Prop.ForAll(
            ArbMap.Default.ArbFor<(ushort[], ushort, ushort)>(),
            given =>
            {
                var (ports, one, other) = (given.Item1 ?? [], Math.Min(given.Item2, given.Item3), Math.Max(given.Item2, given.Item3));
                var marks = new PortMarks();
                var halves = new PortMarks();
                for (var i = 0; i < ports.Length; i++)
                {
                    (i % 2 == 0 ? marks : halves).Add(ports[i]);
                }

                marks.Add(halves);
                var found = new List<int>();
                for (var port = marks.Next(0); port <= 65535; port = marks.Next(port + 1))
                {
                    found.Add(port);
                }

                Assert.Equal(ports.Select(port => (int)port).Distinct().Order(), found);
                Assert.Equal(found.Count(port => port >= one && port <= other), marks.CountWithin(new PortRange(one, other)));
                marks.Clear();
                Assert.Equal(65536, marks.Next(0));
            }).QuickCheckThrowOnFailure();

    [Fact]
    public void Marks_have_both_ends()
    {
        var marks = new PortMarks();
        marks.Add(0);
        marks.Add(65535);
        Assert.Equal((0, 65535, 65536), (marks.Next(0), marks.Next(1), marks.Next(65536)));
        Assert.Equal(2, marks.CountWithin(new PortRange(0, 65535)));
    }

    [Theory]
    [InlineData(1, 0, 0, 0, 0)]
    [InlineData(2, 1, 1, 1, 1)]
    [InlineData(10, 5, 9, 9, 9)]
    [InlineData(100, 50, 90, 95, 99)]
    [InlineData(10000, 5000, 9000, 9500, 9900)]
    public void Percentiles_are_of_the_nearest_rank(int count, params int[] ranks)
    {
        var list = new RoundTripList();
        foreach (var rank in Enumerable.Range(0, count).OrderBy(i => i * 7919 % 10007))
        {
            list.Add((uint)(1000 + rank));
        }

        // Connections of which nothing was measured.
        list.Add(0);
        var expected = ranks.Select(rank => 1000.0 + rank).ToArray();
        Assert.Equal(new RoundTrips(expected[0], expected[1], expected[2], expected[3]), list.Percentiles());

        list.Clear();
        Assert.Null(list.Percentiles());
        list.Add(0);
        Assert.Null(list.Percentiles());
        list.Add(uint.MaxValue);
        Assert.Equal(int.MaxValue, list.Percentiles()!.P50);
    }
}
