using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using CniIsolator.Demo;
using CniIsolator.Testbed;

// Walks through the life of three containers on one host, with the shipped configuration and real packets.
var stage = new Stage();
using var topology = new Topology();
var conflist = JsonNode.Parse(File.ReadAllText(Path.Combine(Repository.Root, "conf", "10-portmap-isolate.conflist")))!;
var config = new NetworkConfig(topology) { Name = "demo", Ports = null, EphemeralPorts = null };
foreach (var (key, value) in conflist["plugins"]![0]!.AsObject())
{
    config = config.With(key, value?.DeepClone());
}

var plugin = new Plugin(topology, config);
var host = topology.Host;
var shared = topology.HostAddress;
var before = KernelState.Snapshot(host);
(string Name, int Port)[] wanted = [("web", 31001), ("api", 31002), ("job", 31003)];
var containers = new Dictionary<string, Namespace>();

stage.Step("An outside host, a host, and three empty network namespaces");
Stage.Show($"ip -n {host.Name} -brief address", host.Ip("-brief address"));
Stage.Show($"ip -n {host.Name} route", host.Ip("route"));
Stage.Show("cat conf/10-portmap-isolate.conflist", conflist["plugins"]![0]!.ToJsonString());
stage.Claim("the host has one address, and shares nothing yet", plugin.CommandLine("list").Output.Trim().Split('\n').Length == 1);

stage.Step("ADD, three times, as a runtime does it");
var slices = new Dictionary<string, (int Begin, int End)>();
foreach (var (name, port) in wanted)
{
    var place = containers[name] = topology.AddContainerNamespace();
    var result = plugin.Add(place, name, config: config.WithPorts(port));
    if (name == wanted[0].Name)
    {
        Stage.Show($"CNI_COMMAND=ADD CNI_CONTAINERID={name} CNI_IFNAME=eth0 CNI_NETNS={place.Path} … cni-portmap-isolate < config.json", result.Output);
    }

    stage.Claim($"ADD of {name} with port {port} succeeds", result.Succeeded, result.ErrorMessage ?? "");
    if (!result.Succeeded)
    {
        Stage.Say(result.ToString());
        return 1;
    }

    var range = place.Sysctl("net/ipv4/ip_local_port_range").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    slices[name] = (int.Parse(range[0], CultureInfo.InvariantCulture), int.Parse(range[1], CultureInfo.InvariantCulture));
    Stage.Say($"{name}: ephemeral ports {slices[name].Begin}-{slices[name].End}, fixed port {port}");
}

var web = containers["web"];
Stage.Show("ip address show eth0, in web", web.Ip("-brief address show eth0"));
Stage.Show("ip route, in web", web.Ip("route"));
stage.Claim("web has the host's address", web.Ip("address show eth0").Contains($"{shared}/24", StringComparison.Ordinal));
stage.Claim("the slices do not overlap", slices.Values.OrderBy(s => s.Begin).Zip(slices.Values.OrderBy(s => s.Begin).Skip(1)).All(p => p.First.End < p.Second.Begin));

stage.Step("A server in web, on its fixed port 31001");
using (EchoServer.Start(web, Transport.Tcp, IPAddress.Any, 31001))
{
    await Reach("from outside", topology.Out, shared);
    await Reach("from the host, by the shared address", host, shared);
    await Reach("from the host, by 127.0.0.1", host, IPAddress.Loopback);
    await Reach("from another container, api", containers["api"], shared);
    await Reach("from api by 127.0.0.1, as if both ran on the host", containers["api"], IPAddress.Loopback);
    await Reach("from web itself", web, shared);

    stage.Step("Bulk transfer and pings");
    var watch = Stopwatch.StartNew();
    var bulk = await Probe.RunAsync(topology.Out, Transport.Tcp, new IPEndPoint(shared, 31001), ProbeOptions.Bulk);
    stage.Claim("8 MiB each way, outside to web, arrive whole", bulk.Ok, $"{16 / watch.Elapsed.TotalSeconds:0} MiB/s in this demo");
}

var ping = await Ping.SendAsync(web, topology.OutAddress);
stage.Claim("web pings outside: each ping answered once", ping is { Sent: 3, Answered: 3, Duplicates: 0 }, ping.ToString());
ping = await Ping.SendAsync(topology.Out, shared);
stage.Claim("outside pings the shared address: the host alone answers", ping is { Sent: 3, Answered: 3, Duplicates: 0 }, ping.ToString());

stage.Step("A client in job, bound to port 0");
using (EchoServer.Start(topology.Out, Transport.Tcp, IPAddress.Any, 7007))
using (EchoServer.Start(topology.Out, Transport.Udp, IPAddress.Any, 7007))
{
    var there = new IPEndPoint(topology.OutAddress, 7007);
    var client = await Probe.RunAsync(containers["job"], Transport.Tcp, there);
    stage.Claim(
        "the outside server sees the shared address and a port of job's slice",
        client.Ok && client.Peer!.Address.Equals(shared) && client.Peer.Port >= slices["job"].Begin && client.Peer.Port <= slices["job"].End,
        client.ToString());

    stage.Step("A port that job does not own");
    var owned = await Probe.RunAsync(containers["job"], Transport.Udp, there, new ProbeOptions { SourcePort = slices["job"].Begin + 7 });
    stage.Claim($"a datagram from port {slices["job"].Begin + 7}, which job owns, is answered", owned.Ok, owned.ToString());
    var foreign = await Probe.RunAsync(containers["job"], Transport.Udp, there, ProbeOptions.Hopeless with { SourcePort = 31001 });
    stage.Claim("one from port 31001, which web owns, never leaves", foreign.Outcome == ProbeOutcome.Timeout, foreign.ToString());
    var nobody = await Probe.RunAsync(containers["job"], Transport.Udp, there, ProbeOptions.Hopeless with { SourcePort = 9999 });
    stage.Claim("nor one from port 9999, which nobody gave it", nobody.Outcome == ProbeOutcome.Timeout, nobody.ToString());
}

stage.Step("A fourth container that wants web's port");
var refused = plugin.Add(topology.AddContainerNamespace(), "thief", config: config.WithPorts(31001));
Stage.Show("CNI_COMMAND=ADD CNI_CONTAINERID=thief …", refused.Output);
stage.Claim("refused with code 101, naming web", refused.ErrorCode == 101 && refused.ErrorDetails!.Contains("web", StringComparison.Ordinal));

stage.Step("What the operator sees");
Stage.Show("cni-portmap-isolate list", plugin.CommandLine("list").Output);
Stage.Show("cni-portmap-isolate show web", plugin.CommandLine("show", "web").Output);
stage.Claim("three attachments", JsonNode.Parse(plugin.CommandLine("list", "--json").Output)!.AsArray().Count == 3);

stage.Step("CHECK, and what it says when something was removed");
var check = plugin.Check(web, "web", config: config.WithPorts(31001));
stage.Claim("CHECK of web finds nothing", check.Succeeded, check.ErrorDetails ?? "");
web.Tc("qdisc del dev lo clsact");
check = plugin.Check(web, "web", config: config.WithPorts(31001));
Stage.Show("tc -n web qdisc del dev lo clsact; CNI_COMMAND=CHECK …", Shorten(check.ErrorDetails ?? check.Output));
stage.Claim("CHECK finds the missing filters, code 106", check.ErrorCode == 106);

stage.Step("DEL of all three, one of them without its namespace");
foreach (var (name, port) in wanted)
{
    var gone = plugin.Del(name == "api" ? null : containers[name], name, config: config.WithPorts(port));
    stage.Claim($"DEL of {name}{(name == "api" ? " without namespace" : "")}", gone.Succeeded, gone.ErrorMessage ?? "");
}

Stage.Show("cni-portmap-isolate list", plugin.CommandLine("list").Output);
Stage.Show($"ip -n {host.Name} -brief link", host.Ip("-brief link"));
var records = Directory.GetFiles(topology.StateDirectory, "pmi*.json");
stage.Claim("no record is left", records.Length == 0, string.Join(", ", records));

// A loopback is born with a MAC of zeros, which the kernel takes from nobody: that one line stays different.
var difference = before.Diff(KernelState.Snapshot(host)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
    .Where(line => line.StartsWith('+') || line.StartsWith('-'))
    .Where(line => !line.Contains("loopback", StringComparison.Ordinal))
    .ToList();
stage.Claim("links, addresses, routes, filters and sysctls of the host are as before", difference.Count == 0, string.Join("; ", difference));

Console.WriteLine();
Console.WriteLine(stage.Failures == 0 ? "Every step did what it says." : $"{stage.Failures} claims did not hold.");
return stage.Failures == 0 ? 0 : 1;

async Task Reach(string how, Namespace from, IPAddress address)
{
    var result = await Probe.RunAsync(from, Transport.Tcp, new IPEndPoint(address, 31001));
    stage.Claim($"reached {how}", result.Ok, result.ToString());
}

static string Shorten(string text) => text.Length <= 300 ? text : text[..300] + " …";
