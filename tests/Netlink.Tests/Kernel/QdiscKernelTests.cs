using System.IO.Compression;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Kernel.PrivateNamespace;

namespace CniIsolator.Netlink.Tests.Kernel;

/// <summary>Finding, adding and deleting qdiscs that shape, beside those of the kernel and of others, against this machine's kernel.</summary>
public sealed class QdiscKernelTests : IDisposable
{
    private const uint Handle = 0x10000; // 1:
    private const uint First = 0x10001; // 1:1
    private const uint Leaf = 0x20000; // 2:
    private const uint Own = 0x706d0000;

    private readonly PrivateNamespace _host = Create();
    private readonly NetlinkConnection _connection;

    public QdiscKernelTests()
    {
        _connection = _host.Connect();
        _host.AddPair(_connection);
    }

    public void Dispose()
    {
        _connection.Dispose();
        _host.Dispose();
    }

    [Fact]
    public void Nothing_is_found_where_there_is_no_device_or_place()
    {
        Assert.Null(Find(TcHandle.Root, index: 99));
        Assert.Null(Find(First, index: 99));
        Assert.Null(Find(First));
        AddShaper();
        Assert.Null(Find(Handle | 9));
        Assert.Null(Find(0x30001));
        Assert.Null(Find(TcHandle.ClsactParent));
    }

    [Fact]
    public void Qdisc_of_the_kernels_own_is_a_default_one()
    {
        var root = Find(TcHandle.Root);
        Assert.Equal(("noqueue", 0u, true), (root?.Kind, root?.Handle, root?.IsDefault));

        // What hangs below a new class is the kernel's too: shown or not, nobody put it there.
        AddShaper();
        Assert.True(Find(First) is not { IsDefault: false });

        // A device that was never up has a placeholder.
        var (near, far) = (new VethEnd($"pmiv-{Environment.ProcessId}", 9), new VethEnd($"pmiw-{Environment.ProcessId}", 10));
        Execute(_connection, b => Links.CreateVeth(b, near, far, _host.Opened.Descriptor, MacAddress.Parse("02:00:00:00:00:0a"), 1500));
        Assert.True(Find(TcHandle.Root, index: 9) is not { IsDefault: false });
    }

    [Fact]
    public void Root_and_leaf_and_clsact_are_found_each_at_its_place()
    {
        AddShaper();
        Execute(_connection, b => AddFifo(b, 7, First, Leaf));
        Execute(_connection, b => Qdiscs.AddClsact(b, 7, "clsact"));
        Assert.Equal(new Qdisc(7, "htb", Handle, TcHandle.Root, 0) { Htb = new HtbSettings(1, 0) }, Find(TcHandle.Root));
        Assert.Equal(new Qdisc(7, "bfifo", Leaf, First, 0), Find(First));
        Assert.Equal(new Qdisc(7, "clsact", TcHandle.ClsactHandle, TcHandle.ClsactParent, 0), Find(TcHandle.ClsactParent));
        Assert.Equal("noqueue", Find(TcHandle.Root, index: 8)?.Kind);
    }

    [Fact]
    public void Root_goes_with_its_classes_and_deleting_again_is_success()
    {
        AddShaper();
        for (var i = 0; i < 2; i++)
        {
            Delete(TcHandle.Root, Handle);
            Assert.Equal("noqueue", Find(TcHandle.Root)?.Kind);
            Assert.Empty(Htb.ListClasses(_connection, 7));
        }
    }

    [Fact]
    public void Leaf_goes_and_the_class_stays()
    {
        AddShaper();
        Execute(_connection, b => AddFifo(b, 7, First, Leaf));
        for (var i = 0; i < 2; i++)
        {
            Delete(First, Leaf);
            Assert.True(Find(First) is not { IsDefault: false });
            Assert.Equal(First, Assert.Single(Htb.ListClasses(_connection, 7)).Handle);
        }
    }

    [Fact]
    public void Deleting_leaves_what_has_another_handle()
    {
        Execute(_connection, b => AddFifo(b, 7, TcHandle.Root, 0x50000));
        Delete(TcHandle.Root, Handle);
        Assert.Equal(0x50000u, Find(TcHandle.Root)?.Handle);

        Delete(TcHandle.Root, 0x50000);
        AddShaper();
        Execute(_connection, b => AddFifo(b, 7, First, Leaf));
        Delete(First, 0x30000);
        Delete(TcHandle.Root, Leaf);
        Assert.Equal((Handle, Leaf), (Find(TcHandle.Root)?.Handle, Find(First)?.Handle));
    }

    [Fact]
    public void Deleting_where_there_is_nothing_is_success()
    {
        Delete(TcHandle.Root, Handle);
        Delete(First, Leaf);
        Delete(TcHandle.Root, Handle, index: 99);
        AddShaper();
        Delete(Handle | 9, Leaf);
        Delete(First, Leaf);
        Assert.Equal(Handle, Find(TcHandle.Root)?.Handle);
    }

    [Fact]
    public void Deleting_whatever_stands_there_is_not_offered()
    {
        // The kernel takes a handle of 0 for any.
        Execute(_connection, b => AddFifo(b, 7, TcHandle.Root, 0x50000));
        Assert.Throws<ArgumentOutOfRangeException>(() => Delete(TcHandle.Root, 0));
        Assert.Equal(0x50000u, Find(TcHandle.Root)?.Handle);
    }

    [Theory]
    [InlineData(Handle)]
    [InlineData(0x50000u)] // the same handle as the other's
    public void Adding_where_another_stands_is_refused_and_leaves_it(uint handle)
    {
        Execute(_connection, b => AddFifo(b, 7, TcHandle.Root, 0x50000));
        var before = Find(TcHandle.Root);
        Assert.Equal(Errno.Exists, Refusal(b => Htb.AddQdisc(b, 7, handle, new HtbSettings(1, 0), "htb")));
        Assert.Equal(Errno.Exists, Refusal(b => FqCodel.Add(b, 7, TcHandle.Root, handle, new FqCodelSettings(), "fq_codel")));
        Assert.Equal(before, Find(TcHandle.Root));
        Assert.Equal("bfifo", before?.Kind);
    }

    [Fact]
    public void Adding_twice_is_refused_and_keeps_settings_and_classes()
    {
        AddShaper();
        Assert.Equal(Errno.Exists, Refusal(b => Htb.AddQdisc(b, 7, Handle, new HtbSettings(2, 5), "again")));
        Assert.Equal(new HtbSettings(1, 0), Find(TcHandle.Root)?.Htb);
        Assert.Single(Htb.ListClasses(_connection, 7));
    }

    [Fact]
    public void Adding_to_a_device_or_class_that_is_absent_is_refused()
    {
        Assert.Equal(Errno.NoSuchDevice, Refusal(b => Htb.AddQdisc(b, 99, Handle, new HtbSettings(1, 0), "add")));
        Assert.Equal(Errno.NoEntry, Refusal(b => FqCodel.Add(b, 7, First, Leaf, new FqCodelSettings(), "below nothing")));
    }

    [Fact]
    public void Fair_queue_is_made_where_the_kernel_has_it_and_else_refused_without_a_trace()
    {
        AddShaper();
        var settings = new FqCodelSettings(5000, 100_000, 64);
        var failures = new List<Errno>();
        foreach (var (index, parent, handle) in new[] { (7, First, Leaf), (8, TcHandle.Root, Own) })
        {
            var batch = new NetlinkBatch();
            FqCodel.Add(batch, index, parent, handle, settings, "fq_codel");
            failures.AddRange(_connection.Execute(batch).Select(f => f.Errno));
            var found = Find(parent, index);
            if (failures.Count > 0)
            {
                Assert.True(found is not { IsDefault: false });
                continue;
            }

            Assert.Equal(("fq_codel", handle, parent, settings.Flows), (found?.Kind, found!.Handle, found.Parent, found.FqCodel?.Flows));

            // The kernel counts in units of 1024 ns, and cuts twice.
            Assert.InRange(found.FqCodel!.TargetMicroseconds!.Value, 4998u, 5000u);
            Assert.InRange(found.FqCodel.IntervalMicroseconds!.Value, 99_998u, 100_000u);
            Delete(parent, handle, index);
            Assert.True(Find(parent, index) is not { IsDefault: false });
        }

        // Where the kernel's configuration cannot be read, what it did must at least agree with itself.
        var expected = KernelHas("CONFIG_NET_SCH_FQ_CODEL") ?? failures.Count == 0;
        Assert.Equal(expected ? [] : [Errno.NoEntry, Errno.NoEntry], failures);
    }

    [Fact]
    public void Filters_of_classes_hang_on_the_root_and_read_back()
    {
        AddShaper();
        var at = new FilterAttachment(7, Handle, 10, EthernetProtocol.InternetProtocol);
        var all = new FilterAttachment(7, Handle, 11, EthernetProtocol.All);
        U32Filter[] filters =
        [
            new U32Table(at, new U32Handle(1, 0, 0), 256),
            new U32Node(at, new U32Handle(1, 0x80, 1), [new U32Key(0x8000, 0xfc00, 0)]) { Class = First },
            new U32Node(at, new U32Handle(1, 0x81, 1), [new U32Key(0x8100, 0xfc00, 0)]) { Class = Handle | 9 },
            new U32Node(at, new U32Handle(0, 0, 2), [U32Key.Any]),
        ];
        var rest = new U32Node(all, new U32Handle(0, 0, 1), [U32Key.Any]) { Class = First };
        Execute(_connection, b =>
        {
            foreach (var filter in filters.Append(rest))
            {
                U32Filters.Add(b, filter, $"add {filter}");
            }
        });

        Assert.Equal(filters.Select(f => f.ToString()).Order(), U32Filters.List(_connection, at).Select(f => f.ToString()).Order());
        var listed = U32Filters.List(_connection, at).OfType<U32Node>();
        Assert.Equal([null, First, Handle | 9], listed.Select(n => n.Class).Order());
        Assert.Equal([rest.ToString()], U32Filters.List(_connection, all).Select(f => f.ToString()));

        Delete(TcHandle.Root, Handle);
        Assert.Empty(U32Filters.List(_connection, at));
    }

    private void AddShaper() => Execute(_connection, b =>
    {
        Htb.AddQdisc(b, 7, Handle, new HtbSettings(1, 0), "qdisc");
        Htb.AddClass(b, 7, new HtbClass(First, Handle, 1_000_000, 1_000_000, 1000, 1000, 1514), "class");
    });

    private Qdisc? Find(uint parent, int index = 7) => Qdiscs.Find(_connection, index, parent);

    private void Delete(uint parent, uint handle, int index = 7) => Execute(_connection, b => Qdiscs.Delete(b, index, parent, handle, "delete"));

    private Errno Refusal(Action<NetlinkBatch> write) => Assert.Throws<NetlinkException>(() => Execute(_connection, write)).Errno;

    /// <summary>Whether the running kernel was built with an option, also as a module; null where it does not say.</summary>
    private static bool? KernelHas(string option)
    {
        string text;
        var saved = $"/boot/config-{File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}";
        if (File.Exists("/proc/config.gz"))
        {
            using var reader = new StreamReader(new GZipStream(File.OpenRead("/proc/config.gz"), CompressionMode.Decompress));
            text = reader.ReadToEnd();
        }
        else if (File.Exists(saved))
        {
            text = File.ReadAllText(saved);
        }
        else
        {
            return null;
        }

        return text.Contains($"\n{option}=y\n", StringComparison.Ordinal) || text.Contains($"\n{option}=m\n", StringComparison.Ordinal);
    }
}
