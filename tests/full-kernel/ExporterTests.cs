using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace CniIsolator.FullKernel.Tests;

/// <summary>What the published exporter tells of the queues behind limits, where the kernel has fq_codel.</summary>
public sealed class ExporterTests
{
    private const long Rate = 500_000;
    private const string Egress = "bloat_reduction";
    private const string Ingress = "ingress_bloat_reduction";

    private static readonly string[] Fields = ["backlog", "bytes", "drops", "id", "overlimits", "packets", "qlen", "ratebps", "ratepps", "requeues"];

    [Fact]
    public async Task Fair_queues_are_told_of_with_their_drops_and_marks()
    {
        using Site site = new(config => config.With("egressRateLimitPerContainer", Rate).With("ingressRateLimitPerContainer", Rate));
        Container container = site.Add(31000);
        foreach (Namespace place in new[] { container.Place, site.Out })
        {
            place.Sysctl("net/ipv4/tcp_ecn", "1");
        }

        using ExporterProcess exporter = ExporterProcess.Start(site.Host, site.Plugin.Config.StateDirectory!);
        JsonArray told = Told();
        Assert.Equal(["bw_limit", Egress, "ingress_bw_limit", Ingress], told.Select(one => (string)one!["id"]!));
        Assert.All(told, one => Assert.Equal(Fields, one!.AsObject().Select(field => field.Key).Order(StringComparer.Ordinal)));
        Assert.Equal((0, 0), (Marks(Egress), Marks(Ingress)));

        // Several flows, each of which has something waiting: TCP keeps the queue of a single one short.
        using (EchoServer server = EchoServer.Start(site.Out, Transport.Tcp, site.Topology.OutAddress, 0))
        {
            ProbeOptions options = ProbeOptions.Bulk with { StreamBytes = 300_000, Timeout = TimeSpan.FromMinutes(2) };
            ProbeResult[] flood = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Probe.RunAsync(container.Place, Transport.Tcp, server.EndPoint, options)));
            Assert.All(flood, one => Assert.True(one.Ok, one.ToString()));
        }

        Assert.True(Marks(Egress) > 0, Text());
        Assert.True(Marks(Ingress) > 0, Text());

        // Datagrams say nothing of ECN, so what is too much of them is dropped.
        Flood(container.Place, new IPEndPoint(site.Topology.OutAddress, 7777), container.Port);
        Wait.Until(() => Drops(Egress) > 0, "drops of what the container sends", TimeSpan.FromMinutes(1));

        // The kernel's own before and after must agree: then nothing came between.
        string expected = "";
        Wait.Until(
            () =>
            {
                expected = Kernel();
                told = Told();
                return expected == Kernel();
            },
            "a moment without packets",
            TimeSpan.FromMinutes(1));
        Assert.Equal(expected, string.Join('\n', told.Where(one => ((string)one!["id"]!).EndsWith(Egress, StringComparison.Ordinal))
            .Select(one => $"{one!["id"]} {one["bytes"]} {one["packets"]} {one["drops"]} {Marks((string)one["id"]!)}")));
        Assert.Equal(0, exporter.EndBy("TERM"));
        site.Check(container);

        string Kernel() => $"{Line(Egress, container.Place, Site.ContainerEnd)}\n{Line(Ingress, site.Host, container.HostEnd)}";

        static string Line(string id, Namespace place, string device)
        {
            Qdisc leaf = TrafficControl.Qdiscs(place, device).Single(one => one.Kind == "fq_codel");
            return $"{id} {leaf.Counter("bytes")} {leaf.Counter("packets")} {leaf.Counter("drops")} {leaf.Counter("ecn_mark")}";
        }

        JsonArray Told() => JsonNode.Parse(Get("/monitor/statistics"))![0]!["statistics"]!["net_traffic_control_statistics"]!.AsArray();

        string Get(string path) => exporter.Client.GetStringAsync(path).GetAwaiter().GetResult();

        string Text() => Get("/metrics");

        long Marks(string id) => Metric("ecn_marks", id);

        long Drops(string id) => Metric("drops", id);

        long Metric(string name, string id)
        {
            string series = $"portmap_qdisc_{name}_total{{container_id=\"{container.Id}\",network=\"testnet\",qdisc=\"{id}\"}} ";
            return long.Parse(Text().Split('\n').Single(line => line.StartsWith(series, StringComparison.Ordinal))[series.Length..]);
        }
    }

    /// <summary>More than two seconds of the limit, as fast as the socket's buffer takes it.</summary>
    private static void Flood(Namespace from, IPEndPoint to, int port)
    {
        using Socket socket = from.Run(() =>
        {
            Socket made = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            made.Bind(new IPEndPoint(IPAddress.Any, port));
            return made;
        });
        byte[] data = new byte[1400];
        for (int i = 0; i < 800; i++)
        {
            socket.SendTo(data, to);
        }
    }
}
