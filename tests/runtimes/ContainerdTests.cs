using System.Diagnostics;
using System.Text.Json.Nodes;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Runtimes.Tests;

/// <summary>
/// Debian's containerd 1.6 and `ctr run --cni`. The plugins are children of ctr; it sends no arguments and no capabilities, and forgets DEL for
/// whatever it started with --detach.
/// </summary>
public sealed class ContainerdTests : IDisposable
{
    private const string Configuration = "conf/containerd/10-portmap-isolate-ctr.conflist";
    private const string Rootfs = "/var/lib/rootfs";
    private const int Port = 31005;

    private readonly Frame _frame = new(Configuration);

    public ContainerdTests()
    {
        // What serves Kubernetes would look for networks by itself.
        _frame.Write("/etc/containerd/config.toml", "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n");
        _frame.Start("containerd");
        Wait.Until(() => _frame.Execute("ctr", "version").ExitCode == 0, "containerd to listen");
    }

    public void Dispose() => _frame.Dispose();

    [Fact]
    public async Task A_container_in_the_foreground_is_at_home_and_leaves_nothing()
    {
        using Process run = _frame.Start([.. Ctr("run", "--rm", "--rootfs", "--cni", Rootfs, "web"), .. Guest.Serve(Port)]);
        Wait.Until(() => _frame.Attachments.Count == 1, "ctr to attach the container");
        Guest web = Web("web");
        await web.AssertAtHomeAsync(web.Id);
        Assert.Contains(_frame.Kept, file => file.EndsWith($"/portmap-isolate-ctr-{web.Id}-eth0", StringComparison.Ordinal));

        Kill("web");
        Wait.Until(() => run.HasExited, "ctr to end");
        _frame.AssertClean();
    }

    [Fact]
    public async Task A_detached_container_is_never_deleted_and_the_next_ADD_and_gc_reclaim_what_it_had()
    {
        Detach("first");
        await Web("first").AssertAtHomeAsync(Web("first").Id);
        End("first");
        Assert.Equal("first", Assert.Single(Names()));

        // The fixed port is the same one.
        Detach("second");
        Assert.Equal("second", Assert.Single(Names()));
        await Web("second").AssertAtHomeAsync(Web("second").Id);
        Assert.Empty(_frame.Operator("gc").Require());
        Assert.Equal("second", Assert.Single(Names()));

        End("second");
        Bed.Says(_frame.Operator("gc", "--dry-run").Require(), Web("second").Id);
        Bed.Says(_frame.Operator("gc").Require(), Web("second").Id);

        // ctr's own notes of results are its business.
        Assert.DoesNotContain(_frame.Kept, file => file.StartsWith(Frame.StateDirectory, StringComparison.Ordinal));
        Bed.Unchanged(_frame.Before, _frame.Host);
    }

    [Fact]
    public void The_last_slice_is_reclaimed_of_a_container_that_was_killed()
    {
        JsonNode network = JsonNode.Parse(File.ReadAllText(Frame.At(Configuration)))!;
        JsonObject plugin = network["plugins"]![0]!.AsObject();
        plugin.Remove("portMappings");
        plugin["ephemeralPorts"] = "16384-17407";
        _frame.Write("/etc/cni/net.d/10-portmap-isolate-ctr.conflist", network.ToJsonString());

        Detach("first");
        Bed.Says(_frame.Execute(Run("second")).Error, "ephemeralPorts", "16384-17407");
        Assert.Equal("first", Assert.Single(Names()));
        End("first");
        Detach("third");
        Assert.Equal("third", Assert.Single(Names()));
        Assert.Equal([16384, 17407], Web("third").Range());
        End("third");
        _frame.Operator("gc").Require();
        Bed.Unchanged(_frame.Before, _frame.Host);
    }

    [Fact]
    public async Task A_container_whose_port_is_taken_does_not_start_and_is_told_whose_it_is()
    {
        Detach("first");
        CommandResult refused = _frame.Execute(Run("second"));
        Assert.NotEqual(0, refused.ExitCode);
        Bed.Says(refused.Error, $"port tcp/{Port} is taken", Web("first").Id);
        await Web("first").AssertAtHomeAsync(Web("first").Id);
        Assert.Equal("first", Assert.Single(Names()));
    }

    private Guest Web(string name) =>
        new(_frame, $"{_frame.Name}-{name}", Port, words => _frame.Execute([.. Ctr("tasks", "exec", "--exec-id", Guid.NewGuid().ToString(), name), .. words]));

    private IEnumerable<string> Names() => _frame.Attachments.Select(one => ((string)one!["containerId"]!)[(_frame.Name.Length + 1)..]);

    private string[] Run(string name) => [.. Ctr("run", "--detach", "--rootfs", "--cni", Rootfs, name), .. Guest.Serve(Port)];

    private void Detach(string name) => _frame.Execute(Run(name)).Require();

    /// <summary>Kills it, and removes what containerd knows of it; its interface goes with its namespace.</summary>
    private void End(string name)
    {
        string hostInterface = (string)_frame.Attachment(Web(name).Id)["hostInterface"]!;
        _frame.StopExporter();
        Kill(name);
        Wait.Until(() => _frame.Execute(Ctr("tasks", "list")).Require().Contains("STOPPED", StringComparison.Ordinal), $"{name} to stop");

        // The exit code is the container's own: that it was killed.
        _frame.Execute(Ctr("tasks", "rm", name));
        Execute("containers", "rm", name);
        Wait.Until(() => !_frame.Host.Ip("-o link show").Contains(hostInterface, StringComparison.Ordinal), $"{hostInterface} to go");
    }

    private void Kill(string name) => Execute("tasks", "kill", "--signal", "SIGKILL", name);

    private void Execute(params string[] words) => _frame.Execute(Ctr(words)).Require();

    /// <summary>containerd's namespaces are names of control groups, too.</summary>
    private string[] Ctr(params string[] words) => ["ctr", "--namespace", _frame.Name, .. words];
}
