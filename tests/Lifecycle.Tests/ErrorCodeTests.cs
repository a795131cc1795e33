using System.Net;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Each code of the interface, with nothing changed behind it.</summary>
public sealed class ErrorCodeTests : IDisposable
{
    private readonly Bed _bed = new();

    public void Dispose() => _bed.Dispose();

    [Theory]
    [InlineData("9.0.0")]
    [InlineData("1.1")]
    public void Code_1_for_a_version_that_nobody_knows(string version) =>
        Refused(_bed.Config with { CniVersion = version }, 1, "incompatible CNI versions", version);

    [Fact]
    public void Code_2_for_address_management() =>
        Refused(_bed.Config.With("ipam", JsonNode.Parse("""{"type":"host-local"}""")), 2, "ipam.type", "host-local");

    [Theory]
    [InlineData("CNI_CONTAINERID", null, "required env variables [CNI_CONTAINERID] missing")]
    [InlineData("CNI_NETNS", null, "required env variables [CNI_NETNS] missing")]
    [InlineData("CNI_IFNAME", "", "required env variables [CNI_IFNAME] missing")]
    [InlineData("CNI_PATH", null, "required env variables [CNI_PATH] missing")]
    [InlineData("CNI_CONTAINERID", "_a", "invalid characters in containerID")]
    [InlineData("CNI_CONTAINERID", "a\n", "invalid characters in containerID")]
    [InlineData("CNI_IFNAME", "abcdefghijklmnop", "interface name is too long")]
    [InlineData("CNI_IFNAME", "..", "interface name is . or ..")]
    [InlineData("CNI_IFNAME", "a:b", "interface name contains")]
    [InlineData("CNI_COMMAND", "FROB", "unknown CNI_COMMAND: FROB")]
    [InlineData("CNI_COMMAND", "add", "unknown CNI_COMMAND: add")]
    public void Code_4_for_the_environment(string variable, string? value, string said)
    {
        PluginCall call = _bed.Plugin.Attachment("ADD", _bed.Container().Path, "c1") with { Extra = new Dictionary<string, string?> { [variable] = value } };
        Bed.Fails(_bed.Plugin.Run(call), 4, said);
        _bed.AssertClean();
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("7")]
    public void Code_6_for_what_is_no_configuration(string input)
    {
        PluginCall call = _bed.Plugin.Attachment("ADD", _bed.Container().Path, "c1") with { Input = input };
        Bed.Fails(_bed.Plugin.Run(call), 6);
        _bed.AssertClean();
    }

    [Theory]
    [InlineData("name", null, "missing network name")]
    [InlineData("name", "\"a/b\"", "invalid characters found in network name")]
    [InlineData("ephemeralPorts", null, "ephemeralPorts")]
    [InlineData("ephemeralPorts", "\"1000-2000\"", "1000-2000")]
    [InlineData("ephemeralPorts", "\"31900-34000\"", "31900-34000")]
    [InlineData("ephemeralPorts", "\"40000-50000\"", "ip_local_port_range 32768-60999")]
    [InlineData("ephemeralPortsPerContainer", "1000", "1000")]
    [InlineData("ports", "\"x\"", "ports")]
    [InlineData("hostLoopback", "\"perhaps\"", "perhaps")]
    [InlineData("master", "\"gone0\"", "gone0")]
    [InlineData("master", "\"lo\"", "lo")]
    [InlineData("stateDir", "\"relative\"", "relative")]
    [InlineData("runtimeConfig.portMappings", """[{"hostPort":30000,"containerPort":30000,"protocol":"tcp"}]""", "30000")]
    [InlineData("runtimeConfig.portMappings", """[{"hostPort":31005,"containerPort":31006,"protocol":"tcp"}]""", "31006")]
    [InlineData("runtimeConfig.portMappings", """[{"hostPort":31005,"containerPort":31005,"protocol":"xyz"}]""", "xyz")]
    [InlineData("runtimeConfig.portMappings", """[{"hostPort":31005,"containerPort":31005,"protocol":"tcp","hostIP":"192.0.2.1"}]""", "192.0.2.1")]
    public void Code_7_for_a_key_with_its_value(string key, string? value, string said) =>
        Refused(_bed.Config.With(key, value is null ? null : JsonNode.Parse(value)), 7, said);

    [Fact]
    public void Code_8_for_the_host_s_own_namespace()
    {
        Bed.Fails(_bed.Plugin.Run(_bed.Plugin.Attachment("ADD", _bed.Host.Path, "c1")), 8, "should not be the same");
        _bed.AssertClean();
    }

    [Fact]
    public void Code_101_names_the_container_that_holds_the_port()
    {
        Namespace first = _bed.Added("c1", 31005);
        KernelState host = Bed.Settled(_bed.Host);
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c2", config: _bed.Config.WithPorts(31004, 31005)), 101, "tcp/31004-31005", "c1", "eth0", "testnet", "tcp/31005");
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c2", arguments: "PORTS=31000-31010"), 101, "c1", "testnet");
        NetworkConfig other = _bed.Config with { Name = "other" };
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c1", config: other.WithPorts(31005)), 101, "c1", "network testnet");
        Bed.Unchanged(host, _bed.Host);

        // A slice is owned for every protocol; another configuration of the same host may have it among its ports.
        NetworkConfig wide = _bed.Config with { Name = "wide", Ports = "16384-17407", EphemeralPorts = "20480-24575" };
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c2", config: wide.WithPorts(16400)), 101, "16400", "c1", "ephemeral ports 16384-17407");
        _bed.Plugin.Del(first, "c1").Require();
        _bed.AssertClean();
    }

    [Theory]
    [InlineData("tcp")]
    [InlineData("udp")]
    [InlineData("sctp")]
    public void Code_101_names_the_pool_for_a_port_of_its_own(string protocol)
    {
        NetworkConfig config = _bed.Config with { PortMappings = [new PortMapping(17000, 17000, protocol)] };
        Refused(config, 101, $"{protocol}/17000", "ephemeralPorts", "16384-24575");
    }

    [Fact]
    public void Code_101_names_the_pool_for_an_argument_that_reaches_into_it()
    {
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c1", arguments: "PORTS=16380-16390"), 101, "16380-16390", "ephemeralPorts", "16384-24575");
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c1", arguments: "PORTS=30000"), 7, "30000", "31000-32000");
        _bed.AssertClean();
    }

    [Theory]
    [InlineData(Transport.Tcp, "0.0.0.0", "tcp/31005")]
    [InlineData(Transport.Tcp, "::", "tcp/31005")]
    [InlineData(Transport.Tcp, "127.0.0.1", "tcp/31005")]
    [InlineData(Transport.Udp, "10.77.0.2", "udp/31005")]
    [InlineData(Transport.Udp, "::", "udp/31005")]
    public void Code_101_names_the_host_process_that_listens(Transport transport, string address, string said)
    {
        using (EchoServer.Start(_bed.Host, transport, IPAddress.Parse(address), 31005))
        {
            Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c1", config: _bed.Config.WithPorts(31005)), 101, said, "host process", "listens");
            _bed.AssertClean();
        }

        _bed.Added("c2", 31005);
    }

    [Fact]
    public async Task Code_102_for_a_second_ADD_leaves_the_first_as_it_is()
    {
        Namespace container = _bed.Added("c1", 31005);
        KernelState host = Bed.Settled(_bed.Host);
        KernelState inside = Bed.Settled(container);
        string record = File.ReadAllText(_bed.RecordPath("c1"));
        Bed.Fails(_bed.Plugin.Add(container, "c1", config: _bed.Config.WithPorts(31005)), 102, "eth0", "c1", "tcp/31005");
        Bed.Fails(_bed.Plugin.Add(container, "c1", config: _bed.Config.WithPorts(31006)), 102, "eth0", "c1", "tcp/31005");
        Bed.Fails(_bed.Plugin.Add(container, "c1", interfaceName: "eth1"), 102, container.Path, "eth0");
        Bed.Fails(_bed.Plugin.Add(container, "c9", interfaceName: "eth1"), 102, container.Path, "c1");
        Bed.Unchanged(host, _bed.Host);
        Bed.Unchanged(inside, container);
        Assert.Equal(record, File.ReadAllText(Assert.Single(_bed.Records)));
        await _bed.AssertReachableAsync(container, 31005);
        _bed.Plugin.Check(container, "c1").Require();
    }

    [Fact]
    public void Code_102_for_somebody_s_interface_of_that_name()
    {
        Namespace container = _bed.Container();
        container.Ip("link add eth0 type veth peer name other0");
        KernelState inside = Bed.Settled(container);
        Bed.Fails(_bed.Plugin.Add(container, "c1"), 102, "eth0", container.Path);
        Bed.Unchanged(inside, container);
        _bed.AssertClean();
        container.Ip("link del eth0");
        _bed.Plugin.Add(container, "c1").Require();
    }

    [Theory]
    [InlineData("missing", "nothing at this path")]
    [InlineData("file", "")]
    [InlineData("fifo", "")]
    [InlineData("directory", "")]
    [InlineData("mnt", "")]
    [InlineData("null", "")]
    public void Code_103_for_what_is_no_network_namespace(string kind, string said)
    {
        string path = kind switch
        {
            "mnt" => "/proc/self/ns/mnt",
            "null" => "/dev/null",
            "directory" => _bed.Net.StateDirectory,
            _ => Path.Combine(_bed.Net.StateDirectory, kind),
        };
        if (kind == "file")
        {
            File.WriteAllText(path, "");
        }
        else if (kind == "fifo")
        {
            _bed.Host.Execute("mkfifo", path).Require();
        }

        Bed.Fails(_bed.Plugin.Run(_bed.Plugin.Attachment("ADD", path, "c1")), 103, path, said);
        _bed.AssertClean();
    }

    private void Refused(NetworkConfig config, int code, params string[] said)
    {
        Namespace container = _bed.Container();
        KernelState inside = Bed.Settled(container);
        Bed.Fails(_bed.Plugin.Add(container, "c1", config: config), code, said);
        Bed.Unchanged(inside, container);
        _bed.AssertClean();
    }
}
