using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Runtimes.Tests;

/// <summary>Runtimes that Debian does not have, by their recorded calls.</summary>
public sealed partial class RecordedCallTests : IDisposable
{
    private readonly Bed _bed = new();

    public void Dispose() => _bed.Dispose();

    [Theory]
    [InlineData("nomad")]
    [InlineData("cri-o")]
    [InlineData("mesos")]
    public void A_recording_says_where_it_was_read(string name)
    {
        JsonObject recording = JsonNode.Parse(File.ReadAllText(Recording.Path(name)))!.AsObject();
        foreach (JsonNode? source in recording["read"]!.AsArray())
        {
            Assert.All(["repository", "commit", "file", "functions", "shows"], member => Assert.False(string.IsNullOrWhiteSpace((string?)source![member]), $"{name}: {member}"));
        }
    }

    [Fact]
    public async Task Nomad_tries_ADD_three_times_without_DEL_and_asks_for_the_status_before_it_tears_down()
    {
        Namespace container = _bed.Container();
        Recording nomad = new(_bed, "nomad", container);
        nomad.Run("status").Require();
        using (EchoServer.Start(_bed.Host, Transport.Tcp, IPAddress.Any, 31005))
        {
            for (int attempt = 1; attempt <= 3; attempt++)
            {
                Bed.Fails(nomad.Run("add"), 101, "tcp/31005");
                _bed.AssertClean();
            }
        }

        // It takes the first address of an interface with a sandbox, in the order of names.
        PluginResult added = nomad.Run("add").Require();
        JsonElement inside = added.Member("interfaces")!.Value.EnumerateArray().Single(one => one.TryGetProperty("sandbox", out _));
        Assert.Equal("eth0", inside.GetProperty("name").GetString());
        Assert.Equal("10.77.0.2/24", added.Member("ips")!.Value[0].GetProperty("address").GetString());
        Assert.Equal("31005/tcp 31005/udp", Bed.Ports(_bed.Listed(nomad.Id)));
        Assert.Equal("web", (string?)_bed.Listed(nomad.Id)["args"]!["NOMAD_JOB_ID"]);

        // Again after an answer that was lost: refused, and what is there goes on.
        Bed.Fails(nomad.Run("add"), 102, nomad.Id);
        await _bed.AssertReachableAsync(container, 31005);

        // The pool has one slice. A status that tells of that would keep Nomad from DEL, the only thing that helps.
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "other", config: _bed.Config with { Name = "mynet", EphemeralPorts = "16384-17407" }), 100);
        nomad.Run("status").Require();
        nomad.Run("del").Require();
        _bed.AssertClean();
        nomad.Run("del").Require();
    }

    [Fact]
    public void Nomad_runs_it_without_arguments_and_finds_a_version()
    {
        PluginResult run = new Recording(_bed, "nomad", _bed.Container()).Run("fingerprint").Require();
        string found = (run.Output + run.Error).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).First(word => Version().IsMatch(word));
        Bed.Says(_bed.Plugin.CommandLine("--version").Require(), found.TrimStart('v'));
    }

    [Fact]
    public async Task CriO_checks_right_after_ADD_and_collects_garbage_at_its_start()
    {
        Namespace container = _bed.Container();
        container.Ip("link set lo up");
        Recording crio = new(_bed, "cri-o", container);
        Assert.Contains("1.1.0", crio.Run("version").Require().Member("supportedVersions")!.Value.EnumerateArray().Select(one => one.GetString()));
        crio.Run("status").Require();
        crio.Run("add").Require();
        crio.Run("check").Require();
        JsonObject listed = _bed.Listed(crio.Id);
        Assert.Equal("cart-0", (string?)listed["args"]!["K8S_POD_NAME"]);

        // The burst that stands for no opinion is not taken literally.
        Assert.Equal(1_000_000, (long)listed["egress"]!["rate"]!);
        Assert.InRange((long)listed["egress"]!["burst"]!, 1, 1_000_000);
        Assert.Null(listed["ingress"]);
        await _bed.AssertReachesOutAsync(container, crio.Id);

        // CRI-O's start while pods run, and once more when it has forgotten them: nothing that lives is taken down.
        crio.Run("gc with the pod").Require();
        crio.Run("check").Require();
        crio.Run("gc without pods").Require();
        crio.Run("check").Require();
        crio.Run("del").Require();
        crio.Run("del").Require();
        crio.Run("gc without pods").Require();
        _bed.AssertClean();
    }

    [Fact]
    public async Task Mesos_gives_nothing_but_its_six_variables_and_reads_the_old_result()
    {
        Namespace container = _bed.Container();
        Recording mesos = new(_bed, "mesos", container);
        PluginResult added = mesos.Run("add").Require();
        Assert.Equal("0.2.0", added.Member("cniVersion")!.Value.GetString());
        Assert.Equal("10.77.0.2/24", added.Member("ip4")!.Value.GetProperty("ip").GetString());
        Assert.Null(added.Member("ips"));
        JsonObject listed = _bed.Listed(mesos.Id);
        Assert.Equal("31005-31006/tcp", Bed.Ports(listed));
        Assert.Equal((16384, 16639), _bed.Slice(mesos.Id));
        Assert.Equal(2_000_000, (long)listed["egress"]!["rate"]!);
        await _bed.AssertReachableAsync(container, 31005);
        mesos.Run("del").Require();
        _bed.AssertClean();

        mesos.Run("add").Require();
        mesos.Run("del without a namespace").Require();
        _bed.AssertClean();
    }

    [GeneratedRegex(@"^v?\d+(\.\d+)*(-[0-9A-Za-z.~-]+)?(\+[0-9A-Za-z.~-]+)?$")]
    private static partial Regex Version();
}
