using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Kernel.PrivateNamespace;

namespace CniIsolator.Netlink.Tests.Kernel;

/// <summary>Qdiscs and u32 filters against this machine's kernel.</summary>
public sealed class FilterKernelTests : IDisposable
{
    private static readonly FilterAttachment At = new(7, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol);
    private readonly PrivateNamespace _host = Create();
    private readonly NetlinkConnection _connection;

    public FilterKernelTests()
    {
        _connection = _host.Connect();
        _host.AddPair(_connection);
        Execute(_connection, b => Qdiscs.AddClsact(b, 7, "clsact"));
    }

    public void Dispose()
    {
        _connection.Dispose();
        _host.Dispose();
    }

    [Fact]
    public void Qdisc_is_listed_and_goes()
    {
        var qdisc = Assert.Single(Qdiscs.List(_connection, 7), q => q.HoldsIngressFilters);
        Assert.Equal((7, "clsact", TcHandle.ClsactHandle, TcHandle.ClsactParent), (qdisc.Index, qdisc.Kind, qdisc.Handle, qdisc.Parent));
        Assert.Equal(Errno.Exists, Assert.Throws<NetlinkException>(() => Execute(_connection, b => Qdiscs.AddClsact(b, 7, "again"))).Errno);
        Execute(_connection, b => Qdiscs.AddClsact(b, 7, "again", Errno.Exists));
        for (var i = 0; i < 2; i++)
        {
            Execute(_connection, b => Qdiscs.DeleteClsact(b, 7, "delete"));
        }

        Execute(_connection, b => Qdiscs.DeleteClsact(b, 99, "delete"));
        Assert.DoesNotContain(Qdiscs.List(_connection, 7), q => q.HoldsIngressFilters);
    }

    [Fact]
    public void Tables_and_nodes_read_back_as_requested()
    {
        var filters = Structure();
        Execute(_connection, b => AddAll(b, filters));

        var listed = U32Filters.List(_connection, At);

        Assert.Equal(filters.Select(f => f.ToString()).Order(), listed.Select(f => f.ToString()).Order());
        Assert.All(listed, f => Assert.Equal(At, f.At));
        var redirect = listed.OfType<U32Node>().Single(n => n.Action?.Action == MirredAction.EgressRedirect);
        Assert.Equal((new U32Handle(1, 0x80, 1), 8, Verdict.Stolen), (redirect.Handle, redirect.Action!.Target, redirect.Action.Verdict));
        var embedded = listed.OfType<U32Node>().Single(n => n.Link?.Table == 4);
        Assert.Equal(new U32Offset(8, 0x0f00, 6, 8, Eat: true), embedded.Link!.Offset);
        Assert.Equal((0xff00u, 0), listed.OfType<U32Node>().Where(n => n.Link?.Table == 1).Select(n => (n.Link!.HashMask, (int)n.Link.HashAt)).Single());
        Assert.Contains(("u32", (ushort)10, At.Protocol), U32Filters.ListPriorities(_connection, 7, TcHandle.Ingress));
        Assert.Empty(U32Filters.List(_connection, At with { Priority = 11 }));
        Assert.Empty(U32Filters.List(_connection, At with { Index = 8 }));
        Assert.Empty(U32Filters.List(_connection, At with { Index = 99 }));
    }

    [Fact]
    public void Handle_in_use_is_refused_and_may_be_tolerated()
    {
        var node = Structure()[^1];
        var tables = Structure().OfType<U32Table>().ToList<U32Filter>();
        Execute(_connection, b => AddAll(b, [.. tables, node]));
        Assert.Equal(Errno.Exists, Assert.Throws<NetlinkException>(() => Execute(_connection, b => U32Filters.Add(b, node, "again"))).Errno);
        Execute(_connection, b => U32Filters.Add(b, node, "again", Errno.Exists));
    }

    [Fact]
    public void Missing_table_and_device_are_told_in_the_kernels_words()
    {
        var node = new U32Node(At, new U32Handle(9, 0, 1), [U32Key.Any]) { Action = Mirred.Redirect(8) };
        var e = Assert.Throws<NetlinkException>(() => Execute(_connection, b => U32Filters.Add(b, node, "add to a table that is not there")));
        Assert.Equal(Errno.Invalid, e.Errno);
        Assert.Contains("hash table", e.KernelText, StringComparison.OrdinalIgnoreCase);

        var elsewhere = new U32Table(At with { Index = 99 }, new U32Handle(1, 0, 0), 1);
        Assert.Equal(Errno.NoSuchDevice, Assert.Throws<NetlinkException>(() => Execute(_connection, b => U32Filters.Add(b, elsewhere, "add"))).Errno);
    }

    [Fact]
    public void Nodes_tables_and_priorities_go_and_linked_tables_stay()
    {
        Execute(_connection, b => AddAll(b, Structure()));
        Execute(_connection, b => U32Filters.Delete(b, At, new U32Handle(1, 0x80, 1), "delete node"));
        Assert.DoesNotContain(U32Filters.List(_connection, At), f => f.Handle == new U32Handle(1, 0x80, 1));
        Execute(_connection, b => U32Filters.Delete(b, At, new U32Handle(1, 0x80, 1), "delete node again"));

        var e = Assert.Throws<NetlinkException>(() => Execute(_connection, b => U32Filters.Delete(b, At, new U32Handle(2, 0, 0), "delete linked table")));
        Assert.Equal(Errno.Busy, e.Errno);
        Assert.Contains(U32Filters.List(_connection, At), f => f.Handle == new U32Handle(2, 0, 0));

        for (var i = 0; i < 2; i++)
        {
            Execute(_connection, b => U32Filters.DeletePriority(b, At, "delete priority"));
            Assert.Empty(U32Filters.List(_connection, At));
        }
    }

    [Fact]
    public void Three_thousand_messages_in_a_batch_and_a_dump_of_many_datagrams()
    {
        var table = new U32Table(At, new U32Handle(1, 0, 0), 256);
        var nodes = Enumerable.Range(0, 3000).Select(i => new U32Node(At, new U32Handle(1, i % 256, 1 + (i / 256)), [new U32Key((uint)i, 0xffff, 0)]) { Action = Mirred.Redirect(8) });
        List<U32Filter> filters = [table, .. nodes];
        Execute(_connection, b => AddAll(b, filters));
        Assert.Equal(filters.Select(f => f.ToString()).Order(), U32Filters.List(_connection, At).Select(f => f.ToString()).Order());

        var again = new NetlinkBatch();
        AddAll(again, filters);
        var failures = _connection.Execute(again);
        Assert.Equal(Enumerable.Range(0, 3001), failures.Select(f => f.Index));
        Assert.All(failures.Skip(1), f => Assert.Equal(Errno.Exists, f.Errno));
    }

    [Fact]
    public void Filter_for_arp_hangs_beside_those_for_ip()
    {
        var arp = new FilterAttachment(7, TcHandle.Ingress, 1, EthernetProtocol.AddressResolution);
        var mirror = new U32Node(arp, new U32Handle(0, 0, 1), [new U32Key(2, 0xffff, 4)]) { Action = Mirred.Mirror(8, Verdict.Continue) };
        Execute(_connection, b => U32Filters.Add(b, mirror, "arp"));
        Assert.Equal([mirror.ToString()], U32Filters.List(_connection, arp).Select(f => f.ToString()));
    }

    private static void AddAll(NetlinkBatch batch, IEnumerable<U32Filter> filters)
    {
        foreach (var filter in filters)
        {
            U32Filters.Add(batch, filter, $"add {filter}");
        }
    }

    private static List<U32Filter> Structure() =>
    [
        new U32Table(At, new U32Handle(1, 0, 0), 256),
        .. Enumerable.Range(2, 3).Select(t => new U32Table(At, new U32Handle(t, 0, 0), 1)),
        new U32Node(At, new U32Handle(2, 0, 1), [U32Key.Any]) { Link = new U32Link(1, HashMask: 0xff00) },
        new U32Node(At, new U32Handle(0, 0, 1), [new U32Key(0x00060000, 0x00ff0000, 8)]) { Link = new U32Link(2, Offset: U32Offset.BehindIPv4) },
        new U32Node(At, new U32Handle(0, 0, 2), [new U32Key(0x00110000, 0x00ff0000, 8)]) { Link = new U32Link(2, Offset: U32Offset.NextHeaderBehindIPv4) },
        new U32Node(At, new U32Handle(3, 0, 1), [new U32Key(0x03000000, 0xff000000, 0)]) { Link = new U32Link(4, Offset: new U32Offset(8, 0x0f00, 6, 8, Eat: true)) },
        new U32Node(At, new U32Handle(4, 0, 1), [new U32Key(0x00350000, 0xffff0000, 0, AtNextHeader: true)]),
        new U32Node(At, new U32Handle(4, 0, 2), [U32Key.Any]) { Action = Mirred.Mirror(8, Verdict.Continue) },
        new U32Node(At, new U32Handle(1, 0x80, 1), [new U32Key(0x8000, 0xfc00, 0)]) { Action = Mirred.Redirect(8) },
    ];
}
