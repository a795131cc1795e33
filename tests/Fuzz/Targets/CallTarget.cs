using System.Text;
using CniIsolator.Cni;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Fuzz;

/// <summary>
/// A whole call with a configuration on standard input, up to where the kernel would be asked: it ends in one result or one error
/// document with a code that was foreseen, as short as a log line may be.
/// </summary>
public sealed class CallTarget : Target
{
    // A runtime logs what it gets; a value that came in is cut, not repeated.
    private const int LongestReply = 4096;

    private static readonly string[] Commands = ["ADD", "DEL", "CHECK", "GC", "STATUS"];

    public override string Name => "call";

    public override int Weight => 30;

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        .. ((string[])[
            """
            {"cniVersion":"1.1.0","name":"net","type":"cni-portmap-isolate","master":"eth0","ephemeralPorts":"32768-57343","ports":"31000-31999,33000","ephemeralPortsPerContainer":1024,
             "dns":{"nameservers":["10.0.0.1"],"domain":"d","search":[],"options":null},
             "prevResult":{"interfaces":[{"name":"a","mac":"m","sandbox":"s","mtu":1500}],"ips":[{"version":"4","address":"10.0.0.5/24","gateway":"10.0.0.1","interface":0}],"routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1","mtu":5}],"dns":{}},
             "runtimeConfig":{"portMappings":[{"HostPort":31005,"ContainerPort":31005,"Protocol":"tcp","HostIP":""}],"bandwidth":{"ingressRate":1e+09,"egressBurst":34359738359},"cgroupPath":"/x"},
             "args":{"org.apache.mesos":{"network_info":{"port_mappings":[{"host_port":31006,"container_port":31006}],"labels":{"labels":[{"key":"cpus","value":"2\ud83d\ude00"}]}}}},
             "cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]}
            """,
            """
            {"name":"n","ephemeralPorts":"40000-45000,50000-60000","ephemeralPortsPerContainer":16,"egressRateLimitPerContainer":"37500KB","minimumEgressRateLimit":0,"maximumEgressRateLimit":"1TB",
             "egressCeilLimit":1e9,"egressBurst":"64KB","ingressRatePerCpu":"auto","linkSpeed":125000000,"egressUniqueFlowPerContainer":true,"egressFlowClassifierParent":"1:10",
             "hostLoopback":"deny","stateDir":"/run/x","logFile":"/var/log/x.log","logLevel":"debug","portMappings":[{"hostPort":31005,"containerPort":0,"protocol":"udp"}],"ipam":{"type":""}}
            """,
            """{"cniVersion":"0.2.0","name":"n","EphemeralPorts":"32768-57343","prevResult":{"ip4":{"ip":"10.0.0.5/24","gateway":"10.0.0.1","routes":[{"dst":"0.0.0.0/0"}]}}}""",
        ]).Select(Encoding.UTF8.GetBytes),
    ];

    public override IReadOnlyList<string> Words { get; } =
    [
        "\"master\":", "\"ports\":", "\"ephemeralPorts\":", "\"ephemeralPortsPerContainer\":", "\"egressRateLimitPerContainer\":", "\"egressRatePerCpu\":", "\"ingressBurst\":",
        "\"portMappings\":", "\"runtimeConfig\":", "\"bandwidth\":", "\"prevResult\":", "\"cniVersion\":", "\"name\":", "\"cni.dev/attachments\":", "\"args\":",
        "\"0.1.0\"", "\"0.3.1\"", "\"1.0.0\"", "\"9.0.0\"", "\"31000-32000\"", "\"1-65535\"", "\"0\"", "\"auto\"", "\"1:1\"", "\"5GB\"", "\"/x\"", "\"deny\"",
        "{\"hostPort\":31005}", "[{\"hostPort\":31005,\"hostIP\":\"::\"}]", "[null]", "[[]]", "\"\\ud800\"", "1e400", "1.5",
    ];

    public override IEnumerable<byte[]> Extremes
    {
        get
        {
            // 10 MB in several shapes; at and around the longest that is read; as deep as it goes.
            const int Huge = 10 << 20;
            yield return Pad("{\"name\":\"n\",\"x\":\"", 'a', Huge, "\"}");
            yield return Pad("", '[', Huge, "");
            yield return Pad("{\"name\":\"n\"}", ' ', Huge, "");
            foreach (var length in (int[])[CniConfig.MaxBytes - 1, CniConfig.MaxBytes, CniConfig.MaxBytes + 1])
            {
                yield return Pad("{\"name\":\"n\",\"ephemeralPorts\":\"32768-57343\",\"x\":\"", 'a', length, "\"}");
                yield return Pad("{\"name\":\"", 'n', length, "\"}");
                yield return Pad("{\"name\":\"n\",\"ephemeralPorts\":\"", '1', length, "\"}");
                yield return Pad("{\"name\":\"n\",\"ephemeralPorts\":\"32768-57343\",\"ports\":\"31000", ',', length, "\"}");
                yield return Pad("{\"name\":\"n\",\"ephemeralPorts\":\"32768-57343\",\"egressBurst\":1", '0', length, "}");
                yield return Pad("{\"name\":\"n\",\"ephemeralPorts\":\"32768-57343\",\"master\":\"", '\\', length, "\"}");
            }

            foreach (var depth in (int[])[CniConfig.MaxDepth - 1, CniConfig.MaxDepth, CniConfig.MaxDepth + 1, 100_000])
            {
                yield return Encoding.UTF8.GetBytes("{\"name\":\"n\",\"x\":" + new string('[', depth - 1) + new string(']', depth - 1) + "}");
                yield return Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"args\":", depth)) + new string('}', depth));
            }

            // Many of everything that is read into a list.
            foreach (var (key, element) in ((string, string)[])[
                ("portMappings", "{\"hostPort\":31005,\"containerPort\":31005}"), ("cni.dev/valid-attachments", "{\"containerID\":\"a\",\"ifname\":\"b\"}"), ("dns\":{\"search", "\"a\"")])
            {
                var list = string.Join(',', Enumerable.Repeat(element, (CniConfig.MaxBytes - 200) / (element.Length + 1)));
                yield return Encoding.UTF8.GetBytes($"{{\"name\":\"n\",\"ephemeralPorts\":\"32768-57343\",\"{key}\":[{list}]{(key.Contains('{') ? "}" : "")}}}");
            }

            yield return Encoding.UTF8.GetBytes(
                "{\"name\":\"n\",\"ephemeralPorts\":\"32768-57343\",\"ports\":\"" + string.Join(',', Enumerable.Range(0, 15000).Select(i => 1024 + (i * 2))) + "\"}");
            yield return Encoding.UTF8.GetBytes("{" + string.Join(',', Enumerable.Range(0, 60000).Select(i => $"\"k{i}\":{i}")) + ",\"name\":\"n\"}");
        }
    }

    public override void Try(byte[] input, Random random)
    {
        var command = Commands[random.Next(Commands.Length)];
        using var reply = new MemoryStream();
        using var stderr = new StringWriter();
        using var stdin = new MemoryStream(input);
        var code = CniDispatcher.Run(
            name => name switch
            {
                "CNI_COMMAND" => command,
                "CNI_CONTAINERID" => "c",
                "CNI_NETNS" => "/run/netns/c",
                "CNI_IFNAME" => "eth0",
                "CNI_PATH" => "/opt/cni/bin",
                _ => null,
            },
            stdin,
            reply,
            stderr,
            new ReadingPlugin(),
            "fuzz",
            "0");
        Reply.Check(command, code, reply.ToArray(), LongestReply, stderr.ToString());
    }

    private static byte[] Pad(string before, char with, int length, string after) =>
        Encoding.UTF8.GetBytes(before + new string(with, length - before.Length - after.Length) + after);

    /// <summary>Reads what the plugin's commands read, and makes nothing.</summary>
    private sealed class ReadingPlugin : ICniPlugin
    {
        public CniResult Add(CniRequest request)
        {
            var configuration = NetworkConfiguration.From(request);
            return new CniResult
            {
                Interfaces = [new CniInterface("pmi0", "02:00:00:00:00:01", 1500), new CniInterface(request.IfName, "02:00:00:00:00:01", 1500, request.Netns)],
                Ips = [new CniIp("192.0.2.10/24", "192.0.2.1", 1)],
                Routes = [new CniRoute("0.0.0.0/0", "192.0.2.1")],
                Dns = configuration.Dns,
            };
        }

        public void Delete(CniRequest request) => NetworkConfiguration.ForRemoval(request);

        public void Check(CniRequest request)
        {
            NetworkConfiguration.From(request);
            request.Config.RequirePreviousResult();
        }

        public void CollectGarbage(CniRequest request)
        {
            NetworkConfiguration.ForRemoval(request);
            request.Config.ReadValidAttachments();
        }

        public void Status(CniRequest request) => NetworkConfiguration.From(request);
    }
}
