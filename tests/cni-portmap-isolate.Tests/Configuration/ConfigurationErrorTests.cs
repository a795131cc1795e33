namespace CniIsolator.Plugin.Tests.Configuration;

/// <summary>Every fault names its key and its value.</summary>
public sealed class ConfigurationErrorTests
{
    [Theory]
    [InlineData("ports", "\"x\"")]
    [InlineData("ports", "\"31000-\"")]
    [InlineData("ports", "\"32000-31000\"")]
    [InlineData("ports", "\"31000,,31001\"")]
    [InlineData("ports", "\"-5\"")]
    [InlineData("ports", "\"65536\"")]
    [InlineData("ports", "\"0-10\"")]
    [InlineData("ports", "31000")]
    [InlineData("ports", "[\"31000-32000\"]")]
    [InlineData("ephemeralPorts", "null")]
    [InlineData("ephemeralPorts", "\"\"")]
    [InlineData("ephemeralPorts", "\"70000-80000\"")]
    [InlineData("ephemeralPorts", "\"32768-57344;x\"")]
    [InlineData("ephemeralPorts", "\"1023-40000\"")]
    [InlineData("ephemeralPorts", "\"31500-40000\"")]
    [InlineData("ephemeralPorts", "true")]
    [InlineData("ephemeralPortsPerContainer", "8")]
    [InlineData("ephemeralPortsPerContainer", "0")]
    [InlineData("ephemeralPortsPerContainer", "-16")]
    [InlineData("ephemeralPortsPerContainer", "1000")]
    [InlineData("ephemeralPortsPerContainer", "32768")]
    [InlineData("ephemeralPortsPerContainer", "131072")]
    [InlineData("ephemeralPortsPerContainer", "16.5")]
    [InlineData("ephemeralPortsPerContainer", "\"many\"")]
    [InlineData("ephemeralPortsPerContainer", "false")]
    [InlineData("egressRateLimitPerContainer", "-1")]
    [InlineData("egressRateLimitPerContainer", "1.5")]
    [InlineData("egressRateLimitPerContainer", "1e30")]
    [InlineData("egressRateLimitPerContainer", "\"auto\"")]
    [InlineData("egressRateLimitPerContainer", "\"1.5MB\"")]
    [InlineData("egressRateLimitPerContainer", "\"16777216TB\"")]
    [InlineData("egressRateLimitPerContainer", "\"10Mbit\"")]
    [InlineData("egressRateLimitPerContainer", "{}")]
    [InlineData("egressRatePerCpu", "\"automatic\"")]
    [InlineData("egressRatePerCpu", "true")]
    [InlineData("minimumEgressRateLimit", "\"x\"")]
    [InlineData("maximumEgressRateLimit", "\"auto\"")]
    [InlineData("egressCeilLimit", "[]")]
    [InlineData("egressBurst", "\"\"")]
    [InlineData("ingressRateLimitPerContainer", "\"-1KB\"")]
    [InlineData("ingressRatePerCpu", "-2")]
    [InlineData("minimumIngressRateLimit", "\"auto\"")]
    [InlineData("maximumIngressRateLimit", "false")]
    [InlineData("ingressCeilLimit", "\"1XB\"")]
    [InlineData("ingressBurst", "0.1")]
    [InlineData("linkSpeed", "\"auto\"")]
    [InlineData("egressUniqueFlowPerContainer", "\"true\"")]
    [InlineData("egressUniqueFlowPerContainer", "1")]
    [InlineData("egressFlowClassifierParent", "\"1\"")]
    [InlineData("egressFlowClassifierParent", "\"0:1\"")]
    [InlineData("egressFlowClassifierParent", "\"1:10000\"")]
    [InlineData("egressFlowClassifierParent", "\"1:2:3\"")]
    [InlineData("egressFlowClassifierParent", "\"ffff:ffff\"")]
    [InlineData("egressFlowClassifierParent", "1")]
    [InlineData("hostLoopback", "\"maybe\"")]
    [InlineData("hostLoopback", "true")]
    [InlineData("master", "\"an-interface-of-20-b\"")]
    [InlineData("master", "\"a/b\"")]
    [InlineData("master", "5")]
    [InlineData("address", "\"\"")]
    [InlineData("address", "\"eth0\"")]
    [InlineData("address", "\"10.77.0.2/24\"")]
    [InlineData("address", "\"10.77.0\"")]
    [InlineData("address", "\"10.77.0.02\"")]
    [InlineData("address", "\"10.77.0.256\"")]
    [InlineData("address", "\" 10.77.0.2\"")]
    [InlineData("address", "\"0x0a4d0002\"")]
    [InlineData("address", "\"172818434\"")]
    [InlineData("address", "\"fd00::1\"")]
    [InlineData("address", "\"::ffff:10.77.0.2\"")]
    [InlineData("address", "172818434")]
    [InlineData("address", "[\"10.77.0.2\"]")]
    [InlineData("dns", "\"10.0.0.1\"")]
    [InlineData("stateDir", "\"run/x\"")]
    [InlineData("stateDir", "\"\"")]
    [InlineData("stateDir", "\"/a\\u0000b\"")]
    [InlineData("stateDir", "1")]
    [InlineData("logFile", "\"x.log\"")]
    [InlineData("logFile", "[]")]
    [InlineData("logLevel", "\"verbose\"")]
    [InlineData("logLevel", "3")]
    [InlineData("gcForce", "\"true\"")]
    [InlineData("gcForce", "1")]
    [InlineData("ipam", "\"host-local\"")]
    [InlineData("portMappings", "{}")]
    [InlineData("runtimeConfig", "[]")]
    public void A_wrong_value(string key, string value)
    {
        var error = Given.Fails($"\"{key}\":{value}");
        Assert.Equal(7, error.Code);
        Assert.Contains(key + ":", error.Message, StringComparison.Ordinal);
        Assert.Contains(value, error.Message.Replace($"\"{value}\"", value, StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""[{"hostPort":31005,"containerPort":80}]""", "hostPort 31005, containerPort 80")]
    [InlineData("""[{"hostPort":31005},{"hostPort":30999}]""", "hostPort 30999")]
    [InlineData("""[{"hostPort":32001}]""", "31000-32000")]
    [InlineData("""[{"hostPort":0,"containerPort":0}]""", "hostPort 0")]
    [InlineData("""[{"protocol":"tcp"}]""", "has no port")]
    [InlineData("""[{"hostPort":31005,"protocol":"icmp"}]""", "protocol icmp")]
    [InlineData("""[{"hostPort":65536}]""", "[0].hostPort: 65536")]
    [InlineData("""[{"hostPort":31005,"hostIP":"host"}]""", "hostIP host")]
    [InlineData("""[{"hostPort":31005,"hostIP":"1"}]""", "hostIP 1")]
    public void A_wrong_port_mapping(string mappings, string named)
    {
        (string Key, string Json)[] sources =
        [
            ("runtimeConfig.portMappings", "\"runtimeConfig\":{\"portMappings\":" + mappings + "}"),
            ("portMappings", "\"portMappings\":" + mappings),
        ];
        foreach (var (key, json) in sources)
        {
            var error = Given.Fails(json);
            Assert.Equal(7, error.Code);
            Assert.StartsWith(key, error.Message, StringComparison.Ordinal);
            Assert.Contains(named, error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("""{"host_port":31005,"container_port":80}""", "hostPort 31005, containerPort 80")]
    [InlineData("""{"host_port":80,"container_port":80}""", "hostPort 80")]
    [InlineData("""{"host_port":"x"}""", "port_mappings[0].host_port: \"x\"")]
    public void A_wrong_port_mapping_of_mesos(string entry, string named)
    {
        var error = Given.Fails("\"args\":{\"org.apache.mesos\":{\"network_info\":{\"port_mappings\":[" + entry + "]}}}");
        Assert.Equal(7, error.Code);
        Assert.Contains("org.apache.mesos", error.Message, StringComparison.Ordinal);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("PORTS", "80")]
    [InlineData("PORTS", "31000-32001")]
    [InlineData("PORTS", "0")]
    [InlineData("PORTS", "31005,x")]
    [InlineData("PORTS", "31005-")]
    [InlineData("EPHEMERAL_PORTS", "8")]
    [InlineData("EPHEMERAL_PORTS", "100")]
    [InlineData("EPHEMERAL_PORTS", "32768")]
    [InlineData("EPHEMERAL_PORTS", "1073741824")]
    [InlineData("EPHEMERAL_PORTS", "4294967296")]
    [InlineData("EPHEMERAL_PORTS", "-16")]
    [InlineData("EPHEMERAL_PORTS", "")]
    [InlineData("CPUS", "two")]
    [InlineData("CPUS", "-1")]
    [InlineData("CPUS", "1,5")]
    [InlineData("CPUS", "1e3")]
    [InlineData("CPUS", "65537")]
    public void A_wrong_argument(string key, string value)
    {
        var error = Given.Fails("", $"{key}={value}");
        Assert.Equal(7, error.Code);
        Assert.Contains($"{key}: \"{value}\"", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ephemeral_ports", "100")]
    [InlineData("cpus", "x")]
    public void A_wrong_label(string key, string value)
    {
        var error = Given.Fails(
            "\"args\":{\"org.apache.mesos\":{\"network_info\":{\"labels\":{\"labels\":[{\"key\":\"" + key + "\",\"value\":\"" + value + "\"}]}}}}");
        Assert.Equal(7, error.Code);
        Assert.Contains($"{key}: \"{value}\"", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"egressRateLimitPerContainer\":5,\"egressRatePerCpu\":\"6KB\"", "egressRateLimitPerContainer: 5", "egressRatePerCpu: \"6KB\"")]
    [InlineData("\"ingressRateLimitPerContainer\":5,\"ingressRatePerCpu\":\"auto\"", "ingressRateLimitPerContainer: 5", "ingressRatePerCpu: \"auto\"")]
    [InlineData("\"minimumEgressRateLimit\":\"2KB\",\"maximumEgressRateLimit\":2047", "minimumEgressRateLimit: \"2KB\"", "maximumEgressRateLimit: 2047")]
    [InlineData("\"minimumIngressRateLimit\":2,\"maximumIngressRateLimit\":1", "minimumIngressRateLimit: 2", "maximumIngressRateLimit: 1")]
    [InlineData("\"ports\":\"40000-41000\"", "ephemeralPorts: \"32768-57344\"", "ports: \"40000-41000\"")]
    [InlineData("\"ephemeralPorts\":\"40000-40100,50000\",\"ephemeralPortsPerContainer\":128", "ephemeralPortsPerContainer: \"128\"", "ephemeralPorts: \"40000-40100,50000\"")]
    public void Keys_that_contradict_each_other(string keys, string one, string other)
    {
        var error = Given.Fails(keys);
        Assert.Equal(7, error.Code);
        Assert.Contains(one, error.Message, StringComparison.Ordinal);
        Assert.Contains(other, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pool_without_any_block_of_the_default_size_is_refused() =>
        Assert.Contains("ephemeralPortsPerContainer: \"1024\"", Given.Fails("\"ephemeralPorts\":\"40000-41000\"").Message, StringComparison.Ordinal);

    [Fact]
    public void The_pool_is_required() => Assert.Contains(
        "ephemeralPorts: null", Given.Fails("\"EphemeralPorts\":null").Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("\"host-local\"")]
    [InlineData("5")]
    public void Address_management_is_an_unsupported_field(string type)
    {
        var error = Given.Fails("\"ipam\":{\"type\":" + type + "}");
        Assert.Equal(2, error.Code);
        Assert.Contains($"ipam.type: {type}", error.Message, StringComparison.Ordinal);
    }
}
