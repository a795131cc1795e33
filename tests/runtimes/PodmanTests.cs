using System.Net;
using System.Net.Sockets;
using System.Text;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Runtimes.Tests;

/// <summary>
/// Debian's Podman 4.3 with its CNI backend: the one runtime in Debian that sends the ports of a real command line. It asks plugins for their
/// versions first, expands ranges, and holds published ports on the host by sockets of the container's monitor.
/// </summary>
public sealed class PodmanTests : IDisposable
{
    private const int Port = 31005;
    private const string Rootfs = "/var/lib/rootfs";

    private readonly Frame _frame = new("conf/podman/portmap-isolate.conflist");

    public PodmanTests()
    {
        // There is neither systemd nor an overlay file system to count on, and programs are not where Debian installs them.
        _frame.Write("/etc/containers/containers.conf", $"""
            {File.ReadAllText(Frame.At("conf/podman/containers.conf"))}
            [engine]
            cgroup_manager = "cgroupfs"
            events_logger = "none"
            runtime = "runc"
            conmon_path = ["{Frame.At("artifacts/tools/usr/bin/conmon")}"]
            [engine.runtimes]
            runc = ["{Frame.At("artifacts/tools/usr/sbin/runc")}"]
            """);
        _frame.Write("/etc/containers/storage.conf", """
            [storage]
            driver = "vfs"
            runroot = "/run/containers/storage"
            graphroot = "/var/lib/containers/storage"
            """);
    }

    public void Dispose() => _frame.Dispose();

    [Fact]
    public async Task A_container_with_published_ports_is_at_home_and_leaves_nothing()
    {
        string id = Podman([.. Run("web", "--detach", "-p", $"{Port}:{Port}", "-p", "31010-31012:31010-31012/udp",
            "-p", $"{_frame.Net.HostAddress}:31020:31020", "-p", "31030-31031:31030-31031"), Rootfs, .. Guest.Serve(Port)]).Require().Trim();
        Assert.Equal("31005/tcp 31020/tcp 31030-31031/tcp 31010-31012/udp", Bed.Ports(_frame.Attachment(id)));

        Guest web = Web(id, "web");
        await web.AssertAtHomeAsync("web");
        await AssertReceivesDatagramsAsync(id, 31011);
        Bed.Says(_frame.Operator("repair", "--all").Require(), "nothing to repair");

        // The monitor's own sockets on published ports are no fault of the host's.
        Bed.Says(_frame.Operator("doctor").Require(), "conmon (process ", $"listens on tcp 0.0.0.0:{Port} for portmap-isolate/{id}/eth0, whose monitor it is");

        Podman(["rm", "--force", "--time", "0", "web"]).Require();
        _frame.AssertClean();
    }

    [Fact]
    public void A_container_in_the_foreground_has_a_range_of_its_own_and_leaves_nothing()
    {
        string printed = Podman([.. Run("one", "--rm", "-p", $"{Port}:{Port}"), Rootfs, "/bin/sysctl", "-n", "net.ipv4.ip_local_port_range"]).Require();
        Assert.Equal([16384, 17407], Guest.ParseRange(printed));
        _frame.AssertClean();
    }

    [Fact]
    public async Task A_container_that_is_killed_and_started_again_has_its_ports_again()
    {
        string id = Podman([.. Run("web", "--detach", "-p", $"{Port}:{Port}"), Rootfs, .. Guest.Serve(Port)]).Require().Trim();
        Podman(["kill", "web"]).Require();
        Wait.Until(() => _frame.Attachments.Count == 0 && !_frame.Kept.Any(), "Podman to detach the container, and to forget its result");
        _frame.AssertClean();

        Podman(["start", "web"]).Require();
        Assert.Equal("31005/tcp", Bed.Ports(_frame.Attachment(id)));
        await Web(id, "web").AssertAtHomeAsync("web");
        Podman(["rm", "--force", "--time", "0", "web"]).Require();
        _frame.AssertClean();
    }

    [Theory]
    [InlineData("31005:80", "hostPort 31005", "containerPort 80", "must be equal")]
    [InlineData("10.77.0.9:31005:31005", "hostIP 10.77.0.9", "10.77.0.2")]
    [InlineData("8080:8080", "8080", "31000-32000")]
    public void What_cannot_be_published_is_refused_with_the_reason_and_leaves_nothing(string published, params string[] reason)
    {
        CommandResult refused = Podman([.. Run("web", "--rm", "-p", published), Rootfs, .. Guest.Serve(Port)]);
        Assert.Equal(126, refused.ExitCode);
        Bed.Says(refused.Error, reason);
        _frame.AssertClean();
    }

    [Fact]
    public async Task A_published_port_has_one_owner()
    {
        string id = Podman([.. Run("first", "--detach", "-p", $"{Port}:{Port}"), Rootfs, .. Guest.Serve(Port)]).Require().Trim();
        CommandResult refused = Podman([.. Run("second", "-p", "31004-31006:31004-31006"), Rootfs, .. Guest.Serve(Port)]);
        Assert.Equal(126, refused.ExitCode);

        // Not the monitor's socket, which holds it, too.
        Bed.Says(refused.Error, "port tcp/31004-31006 is taken", $"container {id} (eth0, network portmap-isolate) owns tcp/{Port}");
        Assert.Single(_frame.Attachments);
        await Web(id, "first").AssertAtHomeAsync("first");
    }

    private Guest Web(string id, string name) => new(_frame, id, Port, words => Podman(["exec", name, .. words]));

    /// <summary>By the filter that counts what came to each range of ports.</summary>
    private async Task AssertReceivesDatagramsAsync(string id, int port)
    {
        using Socket socket = _frame.Net.Out.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        await socket.SendToAsync(Encoding.ASCII.GetBytes("?"), new IPEndPoint(_frame.Net.HostAddress, port));
        string metrics = await _frame.Exporter.Client.GetStringAsync("/metrics");
        string series = Assert.Single(metrics.Split('\n'), line => line.StartsWith($"portmap_ports_receive_bytes_total{{container_id=\"{id}\"", StringComparison.Ordinal)
            && line.Contains("31010-31012", StringComparison.Ordinal));
        Assert.DoesNotMatch(" 0$", series);
    }

    private static string[] Run(string name, params string[] options) => ["run", "--network", "portmap-isolate", "--name", name, .. options];

    private CommandResult Podman(string[] words)
    {
        // A files' tree of one's own takes the place of an image; the limits are those of who may not raise them.
        int end = Array.IndexOf(words, Rootfs);
        return _frame.Execute(["podman", .. end < 0 ? words : [.. words[..end], "--cgroup-parent", $"/{_frame.Name}", "--rootfs", .. words[end..]]]);
    }
}
