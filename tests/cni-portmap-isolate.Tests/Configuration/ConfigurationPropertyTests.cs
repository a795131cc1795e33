using System.Text;
using CniIsolator.Cni;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Tests.Configuration;

/// <summary>Random values under the known keys give a configuration that keeps its promises, or a CNI error.</summary>
public sealed class ConfigurationPropertyTests
{
    private static readonly string[] Keys =
    [
        "master", "address", "ports", "ephemeralPorts", "ephemeralPortsPerContainer", "egressRateLimitPerContainer", "egressRatePerCpu",
        "minimumEgressRateLimit", "maximumEgressRateLimit", "egressCeilLimit", "egressBurst", "ingressRateLimitPerContainer",
        "ingressRatePerCpu", "linkSpeed", "egressUniqueFlowPerContainer", "egressFlowClassifierParent", "hostLoopback",
        "portMappings", "dns", "stateDir", "logFile", "logLevel", "gcForce", "ipam", "runtimeConfig", "args",
    ];

    private static readonly string[] Values =
    [
        "null", "true", "0", "-1", "16", "1024", "65536", "1e9", "1e400", "1.5", "\"\"", "\"auto\"", "\"root\"", "\"1:1\"",
        "\"37500KB\"", "\"31000-32000\"", "\"1-65535\"", "\"40000-45000,50000-60000\"", "\"0\"", "\"10.0.0.1\"", "\"/x\"", "\"deny\"", "\"debug\"",
        "\"\\ud800\"", "[]", "{}", "[1]", "[{}]", "[{\"hostPort\":31005}]", "{\"type\":\"x\"}", "{\"portMappings\":[{\"hostPort\":31005,\"hostIP\":\"::\"}]}",
        "{\"bandwidth\":{\"ingressRate\":1e18,\"egressBurst\":5}}", "{\"bandwidth\":5}", "{\"nameservers\":[\"a\",null]}",
        "{\"org.apache.mesos\":{\"network_info\":{\"port_mappings\":[{\"host_port\":31005}],\"labels\":{\"labels\":[{\"key\":\"cpus\",\"value\":\"2\"}]}}}}",
        "{\"org.apache.mesos\":5}", "{\"org.apache.mesos\":{\"network_info\":{\"labels\":[]}}}",
    ];

    private static readonly string[] Arguments =
        ["", "PORTS=31005", "PORTS=x", "EPHEMERAL_PORTS=16", "EPHEMERAL_PORTS=2147483648", "CPUS=0.25", "CPUS=99999999999999999999999999999999", "A=B;;=;C"];

    [Fact]
    public void Random_values()
    {
        var random = new Random(99);
        var accepted = 0;
        for (var i = 0; i < 20000; i++)
        {
            var members = Keys.OrderBy(_ => random.Next()).Take(random.Next(5))
                .Select(key => $"\"{key}\":{Values[random.Next(Values.Length)]}").ToList();
            if (!members.Any(m => m.StartsWith("\"ephemeralPorts\"", StringComparison.Ordinal)))
            {
                members.Add("\"ephemeralPorts\":\"32768-57344\"");
            }

            var json = "{\"name\":\"n\"," + string.Join(',', members) + "}";
            var config = CniConfig.Parse(Encoding.UTF8.GetBytes(json));
            try
            {
                Verify(NetworkConfiguration.From(config, CniArgs.Parse(Arguments[random.Next(Arguments.Length)])), json);
                accepted++;
            }
            catch (CniException e)
            {
                Assert.True(e.Code is 2 or 7, json);
                Assert.DoesNotContain("not found", e.Message, StringComparison.OrdinalIgnoreCase);
            }

            try
            {
                NetworkConfiguration.ForRemoval(config);
            }
            catch (CniException e)
            {
                Assert.StartsWith("stateDir: ", e.Message, StringComparison.Ordinal);
            }
        }

        Assert.InRange(accepted, 1000, 19000);
    }

    private static void Verify(NetworkConfiguration configuration, string json)
    {
        var size = configuration.EphemeralPortsPerContainer;
        Assert.True(size >= 16 && (size & (size - 1)) == 0, json);
        Assert.True(configuration.EphemeralPorts.Decompose().Any(block => block.Count >= size), json);
        Assert.False(configuration.EphemeralPorts.Overlaps(configuration.Ports), json);
        Assert.All(configuration.Claims, claim => Assert.True(configuration.Ports.Contains(claim.Range), json));
        Assert.True(configuration.StateDir.StartsWith('/') && configuration.LogFile.StartsWith('/'), json);
        Assert.True(configuration.Egress.Limit is not 0 && !(configuration.Egress.Minimum > configuration.Egress.Maximum), json);
    }
}
