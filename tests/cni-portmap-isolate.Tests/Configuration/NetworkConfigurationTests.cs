using CniIsolator.DataPath;
using System.Net;
using System.Text;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Tests.Configuration;

public sealed class NetworkConfigurationTests
{
    [Fact]
    public void Defaults()
    {
        var configuration = Given.Configuration();
        Assert.Equal("net", configuration.Name);
        Assert.Null(configuration.Master);
        Assert.Equal(PortSet.Parse("31000-32000"), configuration.Ports);
        Assert.Equal(PortSet.Parse("32768-57344"), configuration.EphemeralPorts);
        Assert.Equal(1024, configuration.EphemeralPortsPerContainer);
        Assert.Equal(new RateSettings(), configuration.Egress);
        Assert.Equal(new RateSettings(), configuration.Ingress);
        Assert.False(configuration.Egress.IsLimited);
        Assert.Null(configuration.LinkSpeed);
        Assert.False(configuration.UniqueFlow);
        Assert.True(configuration.FlowClassifierParent.IsRoot);
        Assert.Equal(HostLoopback.Allow, configuration.HostLoopback);
        Assert.Null(configuration.Dns);
        Assert.Equal("/run/cni-portmap-isolate", configuration.StateDir);
        Assert.Equal("/var/log/cni-portmap-isolate.log", configuration.LogFile);
        Assert.Equal(LogLevel.Information, configuration.LogLevel);
        Assert.Null(configuration.Cpus);
        Assert.Empty(configuration.Claims);
        Assert.Empty(configuration.HostIps);
    }

    [Theory]
    [InlineData("null", null, null)]
    [InlineData("\"\"", null, null)]
    [InlineData("\"/kubepods/burstable/pod7\"", "/kubepods/burstable/pod7", null)]
    [InlineData("\"kubepods-pod7.slice:cri-containerd:c0ffee\"", "kubepods-pod7.slice:cri-containerd:c0ffee", null)]
    [InlineData("\"/kubepods/../x\"", null, "runtimeConfig.cgroupPath has an element \"..\" and is not recorded")]
    [InlineData("\"a\\u0000b\"", null, "runtimeConfig.cgroupPath contains NUL and is not recorded")]
    [InlineData("7", null, "runtimeConfig.cgroupPath")]
    public void A_cgroup_is_recorded_or_a_warning_but_never_a_fault(string value, string? path, string? warning)
    {
        var cgroup = Given.Configuration($$"""
            "runtimeConfig":{"cgroupPath":{{value}}}
            """).Cgroup;
        Assert.Equal(path, cgroup.Path);
        Assert.Equal(warning is null, cgroup.Warning is null);
        Assert.Contains(warning ?? "", cgroup.Warning ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void Null_is_the_default_for_every_key()
    {
        string[] keys =
        [
            "master", "address", "ports", "ephemeralPortsPerContainer", "egressRateLimitPerContainer", "egressRatePerCpu",
            "minimumEgressRateLimit", "maximumEgressRateLimit", "egressCeilLimit", "egressBurst", "linkSpeed",
            "egressUniqueFlowPerContainer", "egressFlowClassifierParent", "hostLoopback", "portMappings", "dns", "stateDir",
            "logFile", "logLevel", "gcForce", "ipam", "runtimeConfig", "args",
        ];
        var configuration = Given.Configuration(string.Join(',', keys.Select(key => $"\"{key}\":null")));
        Assert.Equal((1024, "/run/cni-portmap-isolate"), (configuration.EphemeralPortsPerContainer, configuration.StateDir));
    }

    [Fact]
    public void Every_key_in_any_case()
    {
        const string json = """
            {"name":"net","TYPE":"t","Master":"bond0","ADDRESS":"192.0.2.7","PORTS":"31000-31999,33000","EphemeralPorts":"40960-49151",
             "ephemeralportspercontainer":512,"EGRESSRATELIMITPERCONTAINER":"37500KB","minimumEgressRateLimit":1000,
             "maximumEgressRateLimit":"1GB","egressCeilLimit":"50MB","egressBurst":"1 mb","IngressRatePerCpu":"AUTO",
             "minimumIngressRateLimit":0,"maximumIngressRateLimit":"2TB","ingressCeilLimit":5,"ingressBurst":"6B",
             "linkSpeed":1.25e+09,"egressUniqueFlowPerContainer":true,"egressFlowClassifierParent":"1:a","hostLoopback":"deny",
             "dns":{"nameservers":["10.0.0.1"]},"stateDir":"/run/x","logFile":"/var/log/x","logLevel":"warning","GCForce":true,
             "ipam":{"type":""},"capabilities":{"portMappings":true},"unknown":{"a":[1]}}
            """;
        var configuration = NetworkConfiguration.From(CniConfig.Parse(Encoding.UTF8.GetBytes(json)), CniArgs.Empty);
        Assert.Equal("bond0", configuration.Master);
        Assert.Equal(IPAddress.Parse("192.0.2.7"), configuration.Address);
        Assert.Equal("31000-31999,33000", configuration.Ports.ToString());
        Assert.Equal("40960-49151", configuration.EphemeralPorts.ToString());
        Assert.Equal(512, configuration.EphemeralPortsPerContainer);
        Assert.Equal(
            new RateSettings { Limit = 38400000, Minimum = 1000, Maximum = 1 << 30, Ceil = 50 << 20, Burst = 1 << 20 },
            configuration.Egress);
        Assert.Equal(
            new RateSettings { PerCpuAuto = true, Minimum = 0, Maximum = 2UL << 40, Ceil = 5, Burst = 6 }, configuration.Ingress);
        Assert.Equal(1250000000UL, configuration.LinkSpeed);
        Assert.True(configuration.UniqueFlow);
        Assert.True(configuration.GcForce);
        Assert.Equal("1:a", configuration.FlowClassifierParent.ToString());
        Assert.Equal(0x1000aU, configuration.FlowClassifierParent.Handle);
        Assert.Equal(HostLoopback.Deny, configuration.HostLoopback);
        Assert.Equal("10.0.0.1", configuration.Dns!.Nameservers.Single());
        Assert.Equal(("/run/x", "/var/log/x", LogLevel.Warning), (configuration.StateDir, configuration.LogFile, configuration.LogLevel));
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("\"address\":null", null)]
    [InlineData("\"address\":\"10.77.0.2\"", "10.77.0.2")]
    public void Address(string keys, string? address) => Assert.Equal(address, Given.Configuration(keys).Address?.ToString());

    [Theory]
    [InlineData("\"ports\":\"\"", "")]
    [InlineData("\"ports\":\"80\"", "80")]
    [InlineData("\"ports\":\" 31000 - 31001 , 31002 \"", "31000-31002")]
    [InlineData("\"ports\":\"1-1023,65535\"", "1-1023,65535")]
    public void Ports(string keys, string ports) => Assert.Equal(ports, Given.Configuration(keys).Ports.ToString());

    [Theory]
    [InlineData("\"ephemeralPortsPerContainer\":16", null, 16)]
    [InlineData("\"ephemeralPortsPerContainer\":\"1024\"", null, 1024)]
    [InlineData("\"ephemeralPortsPerContainer\":2.048e3", null, 2048)]
    [InlineData("\"ephemeralPorts\":\"32768-65535\",\"ephemeralPortsPerContainer\":32768", null, 32768)]
    [InlineData("\"ephemeralPortsPerContainer\":64", "EPHEMERAL_PORTS=256", 256)]
    [InlineData("", "K8S_POD_NAME=a;EPHEMERAL_PORTS=16", 16)]
    [InlineData("\"args\":{\"org.apache.mesos\":{\"network_info\":{\"labels\":{\"labels\":[{\"key\":\"ephemeral_ports\",\"value\":\"512\"}]}}}}", null, 512)]
    [InlineData("\"args\":{\"org.apache.mesos\":{\"network_info\":{\"labels\":{\"labels\":[{\"key\":\"ephemeral_ports\",\"value\":\"512\"}]}}}}", "EPHEMERAL_PORTS=256", 512)]
    public void Size_of_the_slice(string keys, string? args, int size) =>
        Assert.Equal(size, Given.Configuration(keys, args).EphemeralPortsPerContainer);

    [Theory]
    [InlineData("", "CPUS=2", "2")]
    [InlineData("", "CPUS=0.5", "0.5")]
    [InlineData("", "CPUS=0", "0")]
    [InlineData("\"args\":{\"org.apache.mesos\":{\"network_info\":{\"labels\":{\"labels\":[{\"key\":\"cpus\",\"value\":\"1.5\"}]}}}}", "CPUS=4", "1.5")]
    public void Cpus_of_the_container(string keys, string args, string cpus) =>
        Assert.Equal(decimal.Parse(cpus), Given.Configuration(keys, args).Cpus);

    [Theory]
    [InlineData("0", 0UL)]
    [InlineData("5", 5UL)]
    [InlineData("5B", 5UL)]
    [InlineData("37500KB", 38400000UL)]
    [InlineData("1mb", 1048576UL)]
    [InlineData(" 2 GB ", 2147483648UL)]
    [InlineData("16777215TB", 16777215UL << 40)]
    [InlineData("18446744073709551615", ulong.MaxValue)]
    public void Amounts(string text, ulong bytes)
    {
        Assert.True(ByteRate.TryParse(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("KB")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1.5MB")]
    [InlineData("1e3")]
    [InlineData("1KiB")]
    [InlineData("1 kbit")]
    [InlineData("16777216TB")]
    [InlineData("18446744073709551616")]
    [InlineData("auto")]
    [InlineData("1K B")]
    [InlineData("１KB")]
    public void No_amounts(string text) => Assert.False(ByteRate.TryParse(text, out _));

    [Theory]
    [InlineData("root", uint.MaxValue)]
    [InlineData("ROOT", uint.MaxValue)]
    [InlineData("1:", 0x10000U)]
    [InlineData("1:0", 0x10000U)]
    [InlineData("8001:FF", 0x800100ffU)]
    public void Parents(string text, uint handle)
    {
        Assert.True(FlowClassifierParent.TryParse(text, out var parent));
        Assert.Equal(handle, parent.Handle);
    }

    [Theory]
    [InlineData(8000000, 8000, 1000000UL, 1000UL)]
    [InlineData(8000000, 4294967295, 1000000UL, 4096UL)]
    [InlineData(8000000, 34359738359, 1000000UL, 4096UL)]
    [InlineData(8000000, 2147483647, 1000000UL, 4096UL)]
    [InlineData(8000000, 2147483646, 1000000UL, 268435455UL)]
    [InlineData(8000000, 0, 1000000UL, 4096UL)]
    [InlineData(7, 7, 1UL, 4096UL)]
    public void Bandwidth_of_the_runtime_wins(ulong rate, ulong burst, ulong limit, ulong expectedBurst)
    {
        var json = $"\"EgressRate\":{rate},\"EgressBurst\":{burst},\"IngressRate\":0";
        var configuration = Given.Configuration(
            "\"runtimeConfig\":{\"bandwidth\":{" + json + "}},\"egressRatePerCpu\":\"auto\",\"egressBurst\":4096,\"maximumEgressRateLimit\":5,\"ingressRatePerCpu\":7");
        Assert.Equal(
            new RateSettings { Limit = limit, Burst = expectedBurst, Maximum = 5, FromRuntime = true }, configuration.Egress);
        Assert.Equal(new RateSettings { PerCpu = 7 }, configuration.Ingress);
    }

    [Fact]
    public void Zero_is_no_limit()
    {
        var configuration = Given.Configuration("\"egressRateLimitPerContainer\":0,\"maximumEgressRateLimit\":\"0KB\",\"egressBurst\":0,\"linkSpeed\":0");
        Assert.Equal(new RateSettings(), configuration.Egress);
        Assert.Null(configuration.LinkSpeed);
    }

    [Fact]
    public void A_maximum_below_the_built_in_minimum_is_allowed() =>
        Assert.Equal(1000UL, Given.Configuration("\"maximumEgressRateLimit\":1000").Egress.Maximum);

    [Fact]
    public void The_hosts_own_range_must_not_overlap()
    {
        var configuration = Given.Configuration();
        configuration.CheckAgainstHostRange(new PortRange(57345, 61000));
        var error = Assert.Throws<CniException>(() => configuration.CheckAgainstHostRange(new PortRange(57344, 61000)));
        Assert.Equal(7, error.Code);
        Assert.Contains("ephemeralPorts: \"32768-57344\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("ip_local_port_range 57344-61000", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Removal_needs_little()
    {
        var config = Given.Config(
            "\"ephemeralPorts\":7,\"ports\":[],\"ipam\":{\"type\":\"host-local\"},\"runtimeConfig\":5,\"args\":5,\"logLevel\":\"x\",\"logFile\":\"x\",\"master\":{},\"stateDir\":\"/s\",\"egressBurst\":{}");
        Assert.Equal(
            new RemovalConfiguration("net", "/s", "/var/log/cni-portmap-isolate.log", LogLevel.Information, null),
            NetworkConfiguration.ForRemoval(config));
        Assert.Equal(
            new RemovalConfiguration("net", "/run/cni-portmap-isolate", "/l", LogLevel.Debug, "eth0"),
            NetworkConfiguration.ForRemoval(Given.Config("\"logFile\":\"/l\",\"LogLevel\":\"debug\",\"master\":\"eth0\"")));
        Assert.Equal(7, Assert.Throws<CniException>(() => NetworkConfiguration.ForRemoval(Given.Config("\"stateDir\":\"s\""))).Code);
    }
}
