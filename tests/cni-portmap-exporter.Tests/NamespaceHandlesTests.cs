using System.Diagnostics;
using CniIsolator.Exporter.Namespaces;
using CniIsolator.Ipam;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.Tests;

/// <summary>Windows into real namespaces, with a clock that stands until it is set.</summary>
public sealed class NamespaceHandlesTests : IDisposable
{
    private const NamespaceHandleParts Everything =
        NamespaceHandleParts.Route | NamespaceHandleParts.Sockets | NamespaceHandleParts.SocketCounts | NamespaceHandleParts.SocketCounts6 | NamespaceHandleParts.Protocols;

    private readonly ManualClock _clock = new();
    private readonly List<Process> _processes = [];
    private readonly NamespaceHandles _windows;

    public NamespaceHandlesTests() => _windows = new NamespaceHandles(_clock, 1000);

    public void Dispose()
    {
        _windows.Dispose();
        foreach (var process in _processes)
        {
            End(process);
            process.Dispose();
        }
    }

    [Fact]
    public void A_window_is_opened_once_and_looks_into_its_namespace_for_good()
    {
        var (attachment, _) = Container("a");
        var first = Get(attachment, Everything);
        var own = new byte[4096];
        Assert.True(first!.SocketCounts!.Read(own) > 0);
        Assert.StartsWith("sockets: used ", System.Text.Encoding.ASCII.GetString(own), StringComparison.Ordinal);
        Assert.Same(first, Get(attachment, Everything));
        Assert.Same(first, Get(attachment, NamespaceHandleParts.Protocols));
        Assert.Equal((1, 0ul), (_windows.Open, _windows.Failures));

        // Only lo is in there, and no listener.
        var links = 0;
        Netlink.Route.LinkStatistics.List(first.Route!).ToList().ForEach(_ => links++);
        Assert.Equal(1, links);
        Assert.True(Netlink.SocketDiagnostics.TcpSockets.VisitListeners(first.Sockets!, _ => Assert.Fail("a listener"), () => { }));
    }

    [Fact]
    public void Who_needs_more_gets_another_window()
    {
        var (attachment, _) = Container("a");
        var first = Get(attachment, NamespaceHandleParts.Protocols);
        Assert.Null(first!.Route);
        var second = Get(attachment, NamespaceHandleParts.Route);
        Assert.NotNull(second!.Route);
        Assert.Throws<ObjectDisposedException>(() => first.Protocols!.Read(new byte[16]));
        Assert.Equal(1, _windows.Open);
    }

    [Fact]
    public void A_dead_container_is_let_go_though_nobody_asks()
    {
        var (dead, process) = Container("a");
        var (living, _) = Container("b");
        Assert.NotNull(Get(dead, Everything));
        Assert.NotNull(Get(living, Everything));
        End(process);
        Assert.Equal(2, _windows.Open);
        _clock.Tick();
        Assert.Equal(1, _windows.Open);
        Assert.NotNull(Get(living, Everything));
        Assert.Equal(0ul, _windows.Failures);
    }

    [Fact]
    public void The_timer_only_runs_while_there_are_windows()
    {
        Assert.False(_clock.IsRunning);
        var (attachment, process) = Container("a");
        Get(attachment, Everything);
        Assert.True(_clock.IsRunning);
        End(process);
        _clock.Tick();
        Assert.False(_clock.IsRunning);
    }

    [Fact]
    public void A_window_in_use_is_not_closed_by_the_timer()
    {
        var (attachment, process) = Container("a");
        Get(attachment, Everything);
        End(process);

        // Another thread's tick must neither wait nor close.
        using (_windows.Hold())
        {
            var tick = new Thread(_clock.Tick);
            tick.Start();
            Assert.True(tick.Join(TimeSpan.FromSeconds(20)));
            Assert.Equal(1, _windows.Open);
        }

        _clock.Tick();
        Assert.Equal(0, _windows.Open);
    }

    [Fact]
    public void An_attachment_that_is_gone_is_let_go_at_the_next_sample()
    {
        var (first, _) = Container("a");
        var (second, _) = Container("b");
        Get(first, Everything);
        using (_windows.Hold())
        {
            Assert.NotNull(_windows.TryGet(second, Everything));
            _windows.CloseOthers();
        }

        Assert.Equal(1, _windows.Open);
    }

    [Fact]
    public void Another_namespace_at_the_path_is_not_entered()
    {
        var (attachment, _) = Container("a");
        Assert.Null(Get(attachment with { Namespace = attachment.Namespace with { Inode = attachment.Namespace.Inode + 1000 } }, Everything));
        Assert.Equal((0, 1ul), (_windows.Open, _windows.Failures));

        // A container made anew under the same name is another one.
        Assert.NotNull(Get(attachment, Everything));
    }

    [Fact]
    public void What_cannot_be_entered_is_left_alone_for_a_while()
    {
        var gone = Samples.Attachment("gone") with { Namespace = new NamespaceReference("/nonexistent/netns", 4, 4026532481) };
        for (var i = 0; i < 3; i++)
        {
            Assert.Null(Get(gone, Everything));
            _clock.Advance(NamespaceHandles.RetryInterval / 4);
        }

        Assert.Equal(1ul, _windows.Failures);
        _clock.Advance(NamespaceHandles.RetryInterval / 4);
        Assert.Null(Get(gone, Everything));
        Assert.Equal(2ul, _windows.Failures);
    }

    [Fact]
    public void A_window_that_fails_is_closed_and_opened_later()
    {
        var (attachment, _) = Container("a");
        Get(attachment, Everything);
        using (_windows.Hold())
        {
            _windows.Fail(attachment);
        }

        Assert.Equal((0, 1ul), (_windows.Open, _windows.Failures));
        Assert.Null(Get(attachment, Everything));
        _clock.Advance(NamespaceHandles.RetryInterval);
        Assert.NotNull(Get(attachment, Everything));
    }

    [Fact]
    public void Descriptors_are_left_for_others()
    {
        using var few = new NamespaceHandles(_clock, 128 + (2 * NamespaceHandle.MostDescriptors) - 1);
        var opened = new[] { "a", "b" }.Select(id =>
        {
            using (few.Hold())
            {
                return few.TryGet(Container(id).Attachment, Everything);
            }
        }).ToList();
        Assert.NotNull(opened[0]);
        Assert.Null(opened[1]);
        Assert.Equal((1, 1ul), (few.Open, few.Failures));
    }

    [Fact]
    public void After_the_end_nothing_is_opened()
    {
        var (attachment, _) = Container("a");
        _windows.Dispose();
        Assert.Null(Get(attachment, Everything));
        _clock.Tick();
    }

    private NamespaceHandle? Get(Attachment attachment, NamespaceHandleParts parts)
    {
        using (_windows.Hold())
        {
            return _windows.TryGet(attachment, parts);
        }
    }

    private (Attachment Attachment, Process Process) Container(string id)
    {
        // unshare(1) says when it is in its namespace, then waits for its input to end.
        var process = Process.Start(new ProcessStartInfo("unshare", ["-n", "sh", "-c", "echo ready; read end"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        _processes.Add(process);
        Assert.Equal("ready", process.StandardOutput.ReadLine());
        var path = $"/proc/{process.Id}/ns/net";
        var identity = NetworkNamespace.TryIdentify(path)!.Value;
        return (Samples.Attachment(id) with { Namespace = new NamespaceReference(path, identity.Device, identity.Inode) }, process);
    }

    private static void End(Process process)
    {
        process.StandardInput.Close();
        process.WaitForExit();
    }

    private sealed class ManualClock : TimeProvider
    {
        private TimerCallback? _callback;
        private long _now = 1;

        public bool IsRunning { get; private set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan time) => _now += time.Ticks;

        public void Tick() => _callback!(null);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _callback ??= callback;
            return new ManualTimer(this);
        }

        private sealed class ManualTimer(ManualClock clock) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                clock.IsRunning = dueTime != Timeout.InfiniteTimeSpan;
                return true;
            }

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
