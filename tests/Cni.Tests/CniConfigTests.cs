namespace CniIsolator.Cni.Tests;

public sealed class CniConfigTests
{
    [Theory]
    [InlineData("""{"name":"n","a":1,"a":2}""", "a")]
    [InlineData("""{"name":"n","ports":"1","Ports":"2"}""", "Ports")]
    [InlineData("""{"name":"n","Name":"m"}""", "Name")]
    public void A_key_may_be_there_once(string json, string key)
    {
        var error = Samples.Fails(json);
        Assert.Equal(CniErrorCode.DecodingFailure, error.Code);
        Assert.Contains($"\"{key}\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Below_the_top_the_last_of_repeated_keys_counts() =>
        Assert.Equal("b", Samples.Parse("""{"name":"n","x":{"k":"a","K":"b"}}""").Top.Member("X").Member("k").AsString());

    [Theory]
    [InlineData("""{"HostPort":8080,"ContainerPort":80,"Protocol":"TCP","HostIP":"192.0.2.5"}""")]
    [InlineData("""{"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"192.0.2.5"}""")]
    [InlineData("""{"hostport":8080.0,"CONTAINERPORT":8e1,"hostIp":"192.0.2.5"}""")]
    [InlineData("""{"hostPort":"8080","containerPort":"80","protocol":"","hostIP":"192.0.2.5"}""")]
    public void Port_mappings_in_every_spelling(string entry) => Assert.Equal(
        [new PortMapping(8080, 80, "tcp", "192.0.2.5")],
        Samples.Parse($$$"""{"name":"n","runtimeConfig":{"portMappings":[{{{entry}}}]}}""").RuntimeConfig.ReadPortMappings());

    [Theory]
    [InlineData("""{"name":"n"}""")]
    [InlineData("""{"name":"n","runtimeConfig":null}""")]
    [InlineData("""{"name":"n","RuntimeConfig":{}}""")]
    [InlineData("""{"name":"n","runtimeConfig":{"portMappings":null,"bandwidth":null,"cgroupPath":null}}""")]
    [InlineData("""{"name":"n","runtimeConfig":{"PortMappings":[]}}""")]
    [InlineData("""{"name":"n","runtimeConfig":{"PortMappings":[null],"cgroupPath":""}}""")]
    public void Nothing_sent_is_nothing(string json)
    {
        var config = Samples.Parse(json);
        Assert.Empty(config.RuntimeConfig.ReadPortMappings());
        Assert.Null(config.RuntimeConfig.ReadBandwidth());
        Assert.Null(config.RuntimeConfig.ReadCgroupPath());
        Assert.Empty(config.Mesos.PortMappings);
        Assert.Null(config.ReadDns());
        Assert.Null(config.ReadPreviousResult());
        Assert.Null(config.ReadValidAttachments());
    }

    [Fact]
    public void Duplicates_collapse_and_protocols_are_told_apart()
    {
        // Nomad sends every port for both protocols, and leaves containerPort equal.
        var mappings = Samples.Parse("""
            {"name":"n","runtimeConfig":{"portMappings":[
              {"HostPort":31005,"ContainerPort":31005,"Protocol":"tcp","HostIP":""},
              {"HostPort":31005,"ContainerPort":31005,"Protocol":"udp","HostIP":""},
              {"HostPort":31005,"ContainerPort":31005,"Protocol":"TCP","HostIP":null},
              {"containerPort":31006}]}}
            """).RuntimeConfig.ReadPortMappings();
        Assert.Equal(
            [new(31005, 31005, "tcp", ""), new(31005, 31005, "udp", ""), new PortMapping(0, 31006, "tcp", "")], mappings);
    }

    [Theory]
    [InlineData("""[{"hostPort":70000}]""", "runtimeConfig.portMappings[0].hostPort: 70000")]
    [InlineData("""[{"hostPort":80},{"hostPort":-1}]""", "runtimeConfig.portMappings[1].hostPort: -1")]
    [InlineData("""[{"containerPort":80.5}]""", "runtimeConfig.portMappings[0].containerPort: 80.5")]
    [InlineData("""[{"containerPort":1e400}]""", "runtimeConfig.portMappings[0].containerPort: 1e400")]
    [InlineData("""[{"containerPort":"http"}]""", "runtimeConfig.portMappings[0].containerPort: \"http\"")]
    [InlineData("""[{"protocol":6}]""", "runtimeConfig.portMappings[0].protocol: 6")]
    [InlineData("""[{"hostIP":[]}]""", "runtimeConfig.portMappings[0].hostIP: []")]
    [InlineData("""["80"]""", "runtimeConfig.portMappings[0]: \"80\"")]
    [InlineData("""{"hostPort":80}""", "runtimeConfig.portMappings: {\"hostPort\":80}")]
    public void A_malformed_port_mapping_is_named(string mappings, string named)
    {
        var config = Samples.Parse($$$"""{"name":"n","runtimeConfig":{"portMappings":{{{mappings}}}}}""");
        var error = Assert.Throws<CniException>(config.RuntimeConfig.ReadPortMappings);
        Assert.Equal(CniErrorCode.InvalidNetworkConfig, error.Code);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"IngressRate":1000000,"IngressBurst":4294967295,"EgressRate":2e6,"EgressBurst":0}""", 1000000, 4294967295, 2000000, 0)]
    [InlineData("""{"ingressRate":1e+09,"egressRate":1.8446744073709552e+19}""", 1000000000, 0, ulong.MaxValue, 0)]
    [InlineData("""{"egressRate":18446744073709551615,"egressBurst":34359738359}""", 0, 0, ulong.MaxValue, 34359738359)]
    [InlineData("""{"egressRate":null}""", 0, 0, 0, 0)]
    [InlineData("""{"ingressBurst":2147483647,"egressRate":0,"egressBurst":4294967295}""", 0, 2147483647, 0, 4294967295)]
    public void Bandwidth_in_every_spelling(string json, ulong ingress, ulong ingressBurst, ulong egress, ulong egressBurst) =>
        Assert.Equal(
            new Bandwidth(ingress, ingressBurst, egress, egressBurst),
            Samples.Parse($$$"""{"name":"n","runtimeConfig":{"bandwidth":{{{json}}}}}""").RuntimeConfig.ReadBandwidth());

    [Theory]
    [InlineData("""{"ingressRate":-1}""", "runtimeConfig.bandwidth.ingressRate: -1")]
    [InlineData("""{"egressBurst":1.5}""", "runtimeConfig.bandwidth.egressBurst: 1.5")]
    [InlineData("""{"egressRate":"fast"}""", "runtimeConfig.bandwidth.egressRate: \"fast\"")]
    [InlineData("""{"egressRate":8000,"ingressBurst":8000}""", "runtimeConfig.bandwidth.ingressBurst: 8000 has no runtimeConfig.bandwidth.ingressRate")]
    [InlineData("""{"EgressRate":0,"EgressBurst":2147483646}""", "runtimeConfig.bandwidth.egressBurst: 2147483646")]
    [InlineData("""5""", "runtimeConfig.bandwidth: 5")]
    public void A_malformed_bandwidth_is_named(string json, string named)
    {
        var config = Samples.Parse($$$"""{"name":"n","runtimeConfig":{"bandwidth":{{{json}}}}}""");
        var error = Assert.Throws<CniException>(() => config.RuntimeConfig.ReadBandwidth());
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_capabilities_are_reachable()
    {
        var runtime = Samples.Parse(
            """{"name":"n","runtimeConfig":{"cgroupPath":"/kubepods/x","io.kubernetes.cri.pod-annotations":{"a":"b"}}}""").RuntimeConfig;
        Assert.Equal("/kubepods/x", runtime.ReadCgroupPath());
        Assert.Equal("b", runtime.Member("io.kubernetes.cri.pod-annotations").Member("a").AsString());
    }

    [Fact]
    public void Mesos_network_info()
    {
        var info = Samples.Parse("""
            {"name":"n","args":{"org.apache.mesos":{"network_info":{
              "ip_addresses":[{}],"name":"n","groups":[],
              "labels":{"labels":[{"key":"cpus","value":"2"},{"key":"flag"},{"key":"cpus","value":"3"}]},
              "port_mappings":[{"host_port":31005,"container_port":31005},{"host_port":31006,"container_port":31006,"protocol":"UDP"}]}}}}
            """).Mesos;
        Assert.Equal([new(31005, 31005, "tcp", ""), new PortMapping(31006, 31006, "udp", "")], info.PortMappings);
        Assert.Equal(("2", "", null), (info.Label("cpus"), info.Label("flag"), info.Label("CPUS")));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("{\"podman_labels\":{}}")]
    [InlineData("{\"org.apache.mesos\":null}")]
    [InlineData("{\"org.apache.mesos\":{\"network_info\":{\"labels\":null,\"port_mappings\":null}}}")]
    public void Args_of_others_are_no_concern(string args)
    {
        var info = Samples.Parse($$"""{"name":"n","args":{{args}}}""").Mesos;
        Assert.Empty(info.PortMappings);
        Assert.Empty(info.Labels);
    }

    [Theory]
    [InlineData("""{"name":"n"}""", null)]
    [InlineData("""{"name":"n","cni.dev/valid-attachments":null}""", null)]
    [InlineData("""{"name":"n","cni.dev/valid-attachments":[]}""", "")]
    [InlineData("""{"name":"n","cni.dev/attachments":[]}""", "")]
    [InlineData("""{"name":"n","cni.dev/attachments":[{"containerID":"a","ifname":"eth0"}]}""", "a/eth0")]
    [InlineData("""{"name":"n","cni.dev/valid-attachments":null,"cni.dev/attachments":[{"containerID":"a","ifname":"eth0"}]}""", "a/eth0")]
    [InlineData("""{"name":"n","cni.dev/attachments":[{"containerID":"b","ifname":"eth0"}],"CNI.dev/valid-attachments":[{"ContainerID":"a","IfName":"eth1"}]}""", "a/eth1")]
    public void Attachments_of_garbage_collection(string json, string? expected)
    {
        var attachments = Samples.Parse(json).ReadValidAttachments();
        Assert.Equal(expected, attachments is null ? null : string.Join(',', attachments.Select(a => $"{a.ContainerId}/{a.IfName}")));
    }

    [Theory]
    [InlineData("""{}""")]
    [InlineData("""[{"containerID":"a"}]""")]
    [InlineData("""[{"containerID":"a","ifname":""}]""")]
    [InlineData("""[null]""")]
    [InlineData("""["a"]""")]
    public void Malformed_attachments_are_refused(string list) => Assert.Equal(
        CniErrorCode.InvalidNetworkConfig,
        Assert.Throws<CniException>(() => Samples.Parse($$"""{"name":"n","cni.dev/valid-attachments":{{list}}}""").ReadValidAttachments()).Code);

    [Fact]
    public void A_check_needs_a_previous_result()
    {
        var error = Assert.Throws<CniException>(() => Samples.Parse("""{"name":"n"}""").RequirePreviousResult());
        Assert.Equal((7, "Required prevResult missing"), (error.Code, error.Message));
    }

    [Theory]
    [InlineData("""{"name":"n","type":"t"}""", "t")]
    [InlineData("""{"name":"n","TYPE":"t"}""", "t")]
    [InlineData("""{"name":"n","type":3}""", "")]
    [InlineData("""{"name":"n"}""", "")]
    public void Type_is_read_leniently(string json, string type) => Assert.Equal(type, Samples.Parse(json).Type);
}
