using System.Net;
using CniIsolator.Cni;

namespace CniIsolator.Plugin.Tests.Configuration;

public sealed class PortRequestsTests
{
    private const string Mesos =
        """
        "args":{"org.apache.mesos":{"network_info":{"port_mappings":[{"host_port":31005,"container_port":31005},{"host_port":31007,"container_port":31007,"protocol":"udp"}]}}}
        """;

    [Theory]
    // containerd and Nomad, CRI-O's and Podman's spelling
    [InlineData("""[{"HostPort":31005,"ContainerPort":31005,"Protocol":"TCP","HostIP":""}]""", "tcp/31005")]
    [InlineData("""[{"hostPort":31005,"containerPort":31005,"protocol":"udp","hostIP":"0.0.0.0"}]""", "udp/31005")]
    [InlineData("""[{"hostPort":31005,"protocol":"sctp","hostIP":"::"}]""", "sctp/31005")]
    [InlineData("""[{"containerPort":31005,"hostPort":0}]""", "tcp/31005")]
    // Podman expands ranges, Nomad doubles protocols
    [InlineData("""[{"hostPort":31006},{"hostPort":31005},{"hostPort":31007},{"hostPort":31009}]""", "tcp/31005-31007 tcp/31009")]
    [InlineData("""[{"hostPort":31005,"protocol":"udp"},{"hostPort":31005},{"hostPort":31005},{"hostPort":31006}]""", "tcp/31005-31006 udp/31005")]
    [InlineData("""[{"hostPort":31000},{"hostPort":32000}]""", "tcp/31000 tcp/32000")]
    [InlineData("""[]""", "")]
    [InlineData("""null""", "")]
    public void Port_mappings(string mappings, string claims)
    {
        Assert.Equal(claims, Given.Claims("\"runtimeConfig\":{\"portMappings\":" + mappings + "}"));
        Assert.Equal(claims, Given.Claims("\"PortMappings\":" + mappings));
    }

    [Theory]
    [InlineData("[{\"hostPort\":31001}]", "tcp/31001")]
    [InlineData("[]", "tcp/31002")]
    [InlineData("null", "tcp/31002")]
    public void The_static_key_counts_where_the_runtime_sends_none(string mappings, string claims) => Assert.Equal(
        claims, Given.Claims("\"portMappings\":[{\"hostPort\":31002}],\"runtimeConfig\":{\"portMappings\":" + mappings + "}"));

    [Fact]
    public void All_sources_are_joined()
    {
        Assert.Equal("tcp/31005 udp/31007", Given.Claims(Mesos));
        Assert.Equal(
            "tcp/31005-31006 tcp/31010-31012 udp/31006-31007 udp/31010-31011",
            Given.Claims(Mesos + ",\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":31012}]}", "PORTS=31006,31010-31011"));
    }

    [Theory]
    [InlineData("PORTS=31005,31010-31019", "tcp/31005 tcp/31010-31019 udp/31005 udp/31010-31019")]
    [InlineData("PORTS=", "")]
    [InlineData("ports=31005", "")]
    [InlineData("IgnoreUnknown=1;PORTS=31005;K8S_POD_NAME=x", "tcp/31005 udp/31005")]
    public void The_argument_claims_both_protocols(string args, string claims) => Assert.Equal(claims, Given.Claims("", args));

    [Theory]
    [InlineData("192.0.2.5")]
    [InlineData("::ffff:192.0.2.5")]
    [InlineData("")]
    [InlineData("0.0.0.0")]
    [InlineData("::")]
    [InlineData("::ffff:0.0.0.0")]
    public void The_hosts_address_is_as_good_as_any(string hostIp) => Given
        .Configuration("\"portMappings\":[{\"hostPort\":31005,\"hostIP\":\"" + hostIp + "\"}]")
        .CheckHostIps(IPAddress.Parse("192.0.2.5"));

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("192.0.2.6")]
    [InlineData("2001:db8::1")]
    public void Another_address_is_refused(string hostIp)
    {
        var configuration = Given.Configuration("\"portMappings\":[{\"hostPort\":31005,\"hostIP\":\"" + hostIp + "\"}]");
        var error = Assert.Throws<CniException>(() => configuration.CheckHostIps(IPAddress.Parse("192.0.2.5")));
        Assert.Equal(7, error.Code);
        Assert.Contains("31005", error.Message, StringComparison.Ordinal);
        Assert.Contains(hostIp, error.Message, StringComparison.Ordinal);
        Assert.Contains("192.0.2.5", error.Message, StringComparison.Ordinal);
    }
}
