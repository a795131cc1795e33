using System.Text;
using CniIsolator.Exporter.Formats;
using CniIsolator.Exporter.Snmp;
using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Exporter.Tests;

public sealed class SnmpTests
{
    [Fact]
    public void Every_field_that_a_mesos_agent_has_is_found()
    {
        var sample = Parse(Samples.SnmpFile);
        for (var field = 0; field < SnmpTable.Udp.End; field++)
        {
            Assert.NotNull(sample[field]);
        }

        Assert.Equal(
            (2, 117, 201, 217 + 2, 229, -1, 312, 315, 401, 408),
            (Value(sample, SnmpTable.Ip, "Forwarding"), Value(sample, SnmpTable.Ip, "FragCreates"), Value(sample, SnmpTable.Icmp, "InMsgs"),
                Value(sample, SnmpTable.Icmp, "OutDestUnreachs"), Value(sample, SnmpTable.Icmp, "OutAddrMaskReps"), Value(sample, SnmpTable.Tcp, "MaxConn"),
                sample.RetransmittedSegments, Value(sample, SnmpTable.Tcp, "InCsumErrors"), Value(sample, SnmpTable.Udp, "InDatagrams"), Value(sample, SnmpTable.Udp, "IgnoredMulti")));
    }

    [Fact]
    public void Tables_follow_one_another()
    {
        Assert.Equal(["Ip", "Icmp", "Tcp", "Udp"], SnmpTable.All.Select(table => table.Name));
        Assert.Equal([19, 27, 15, 8], SnmpTable.All.Select(table => table.Fields.Length));
        Assert.Equal([0, 19, 46, 61], SnmpTable.All.Select(table => table.First));
    }

    [Theory]
    [InlineData("Tcp: RetransSegs InSegs\nTcp: 5 6\n", 5L)]
    [InlineData("Tcp: InSegs RetransSegs\nTcp: 6 5\n", 5L)]
    [InlineData("Tcp: RetransSegs\nTcp: 5", 5L)]
    [InlineData("Tcp:  RetransSegs \nTcp: 5  \n", 5L)]
    [InlineData("nonsense\nTcp: RetransSegs\nTcp: 5\n", 5L)]
    [InlineData("Ip: Forwarding\nTcp: RetransSegs\nTcp: 5\n", 5L)]
    [InlineData("Ip: Forwarding\nIp: x\nTcp: RetransSegs\nTcp: 5\n", 5L)]
    [InlineData("Tcp: RetransSegs\nTcp: -9223372036854775807\n", -9223372036854775807L)]
    [InlineData("Tcp: RetransSegs\nTcp: 9223372036854775808\n", null)]
    [InlineData("Tcp: RetransSegs InSegs\nTcp: 5\n", null)]
    [InlineData("Tcp: RetransSegs\nTcp: 5 6\n", null)]
    [InlineData("Tcp: RetransSegs InSegs\nTcp: 5 x\n", null)]
    [InlineData("Tcp: RetransSegs\nTcp: 5.0\n", null)]
    [InlineData("Tcp: RetransSegs\nUdp: 5\n", null)]
    [InlineData("Tcp: RetransSegs\n", null)]
    [InlineData("Tcp RetransSegs\nTcp 5\n", null)]
    [InlineData("TcpExt: RetransSegs\nTcpExt: 5\n", null)]
    [InlineData("\n\n:\n:\n", null)]
    [InlineData("", null)]
    public void A_table_that_is_not_as_it_should_be_is_left_out(string text, long? retransmitted) =>
        Assert.Equal(retransmitted, Parse(text).RetransmittedSegments);

    [Fact]
    public void A_damaged_table_leaves_the_others()
    {
        var damaged = Parse(Samples.SnmpFile.Replace("Icmp: 201 ", "Icmp: 201 x ", StringComparison.Ordinal));
        var whole = Parse(Samples.SnmpFile);
        for (var field = 0; field < SnmpTable.Udp.End; field++)
        {
            Assert.Equal(field >= SnmpTable.Icmp.First && field < SnmpTable.Icmp.End ? null : whole[field], damaged[field]);
        }
    }

    [Fact]
    public void A_file_cut_anywhere_has_whole_tables_only()
    {
        var whole = Parse(Samples.SnmpFile);
        for (var length = 0; length < Samples.SnmpFile.Length; length++)
        {
            var cut = Parse(Samples.SnmpFile[..length]);
            foreach (var table in SnmpTable.All)
            {
                // The last number of the last line may itself be cut.
                var known = Enumerable.Range(table.First, table.Fields.Length).Count(field => cut[field] is not null);
                Assert.True(known == 0 || known == table.Fields.Length, $"{table.Name} at {length}");
                Assert.True(known == 0 || cut[table.First] == whole[table.First]);
            }
        }
    }

    [Fact]
    public void Whatever_comes_is_read_to_its_end() =>
        Prop.ForAll(
            ArbMap.Default.ArbFor<byte[]>(),
            bytes =>
            {
                SnmpParser.Parse(bytes ?? []);
                Sockets.SocketCounts.Parse(bytes ?? []);
            }).QuickCheckThrowOnFailure();

    [Fact]
    public void Mutated_files_are_read_to_their_end()
    {
        var random = new Random(4711);
        string[] fragments = [" ", "\n", ":", "Tcp:", "Ip: ", "-1", "\0", "99999999999999999999", "-", "RetransSegs"];
        for (var i = 0; i < 3000; i++)
        {
            var text = Samples.SnmpFile;
            for (var change = random.Next(1, 5); change > 0; change--)
            {
                var at = random.Next(text.Length);
                text = text[..at] + fragments[random.Next(fragments.Length)] + text[Math.Min(text.Length, at + random.Next(20))..];
            }

            Parse(text);
        }
    }

    [Theory]
    [InlineData("DefaultTTL", "default_ttl")]
    [InlineData("ReasmOKs", "reasm_oks")]
    [InlineData("InHdrErrors", "in_hdr_errors")]
    [InlineData("RtoMax", "rto_max")]
    [InlineData("IgnoredMulti", "ignored_multi")]
    public void Metric_name(string field, string expected) => Assert.Equal(expected, SnmpMetrics.SnakeCase(field));

    internal static SnmpSample Parse(string text) => SnmpParser.Parse(Encoding.UTF8.GetBytes(text));

    private static long? Value(SnmpSample sample, SnmpTable table, string field) => sample[table.First + Array.IndexOf(table.Fields, field)];
}
