using System.Net;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Each thing that "doctor" finds on a host with a container, with the command that mends it.</summary>
public sealed class DoctorFindingTests
{
    // What is done to the host (VETH is the container's host end, STORE the store), then what is said, and whether it is a fault.
    private static readonly (string Name, Action<Bed, Namespace> Do, bool Fault, string[] Said)[] Findings =
    [
        ("pool in the local range", (bed, _) => bed.Host.Sysctl("net/ipv4/ip_local_port_range", "16384 60999"), true,
            ["FAULT    ports: ephemeralPorts 16384-24575", "net.ipv4.ip_local_port_range 16384-60999", "-> sysctl -w net.ipv4.ip_local_port_range=\"32002 60999\""]),
        ("ports in the local range", (bed, _) =>
            {
                bed.Host.Sysctl("net/ipv4/ip_local_port_range", "25000 60999");
                bed.Host.Sysctl("net/ipv4/ip_local_reserved_ports", "30000,31000-31099");
            }, false, ["warning  ports: ports 31000-32000", "any of 31100-32000", "-> sysctl -w net.ipv4.ip_local_reserved_ports=30000,31000-32000"]),
        ("master down", Host("ip link set eth0 down"), true, ["FAULT    master: master \"eth0\": the interface is down", "-> ip link set eth0 up"]),
        ("no address", Host("ip address flush dev eth0"), true, ["FAULT    master", "no IPv4 address", "-> ip address add 10.77.0.2/24 dev eth0"]),
        ("several addresses", Host("ip address add 10.77.0.8/24 dev eth0"), false, ["warning  master: eth0 has several addresses", "-> ip address del 10.77.0.8/24 dev eth0"]),
        ("default route lost", Host("ip route del default"), true, ["FAULT    master: the host has no default route", "-> ip route add default via 10.77.0.1 dev eth0"]),
        ("master's MTU", Host("ip link set eth0 mtu 1400"), true, ["FAULT    testnet/c1/eth0: MTU of eth0: expected 1500, found 1400", "-> cni-portmap-isolate repair c1"]),
        ("master's MAC", Host("ip link set eth0 address 02:00:00:00:00:77"), true, ["MAC of eth0", "found 02:00:00:00:00:77", "-> cni-portmap-isolate repair c1"]),
        ("address changed", Host("ip address flush dev eth0", "ip address add 10.77.0.9/24 dev eth0", "ip route add default via 10.77.0.1"), true,
            ["address of eth0: expected 10.77.0.2/24, found 10.77.0.9/24", "-> cni-portmap-isolate repair c1"]),
        ("MAC of lo", Host("ip link set lo address 02:00:00:00:00:99"), true, ["FAULT    shared: MAC of the host's lo", "-> cni-portmap-isolate repair --all"]),
        ("lo down", Host("ip link set lo down"), true, ["FAULT    shared: state of the host's lo: expected up, found down", "-> cni-portmap-isolate repair --all"]),
        ("accept_local", (bed, _) => bed.Host.Sysctl("net/ipv4/conf/lo/accept_local", "0"), true, ["FAULT    shared", "lo/accept_local", "-> cni-portmap-isolate repair --all"]),
        ("route_localnet", (bed, _) => bed.Host.Sysctl("net/ipv4/conf/lo/route_localnet", "0"), true, ["FAULT    shared", "lo/route_localnet", "-> cni-portmap-isolate repair --all"]),
        ("tables gone", Host("tc qdisc del dev eth0 clsact"), true, ["FAULT    shared: filter", "on eth0", "-> cni-portmap-isolate repair --all"]),
        ("note gone", (bed, _) => File.Delete(Path.Combine(bed.Store, "host.json")), true, ["FAULT    shared", "host.json", "-> cni-portmap-isolate repair --all"]),
        ("host end's MTU", Host("ip link set VETH mtu 1300"), true, ["FAULT    testnet/c1/eth0: MTU of VETH", "-> cni-portmap-isolate repair c1"]),
        ("host end gone", Host("ip link del VETH"), true, ["link VETH: expected a veth, found none", "-> cni-portmap-isolate repair c1", "warning  strays", "lead to an interface that is gone"]),
        ("container's lo", Inside("ip link set lo mtu 65536"), true, ["MTU of lo in the container: expected 1500, found 65536", "-> cni-portmap-isolate repair c1"]),
        ("container's address", Inside("ip address flush dev eth0"), true, ["address of eth0 in the container", "-> cni-portmap-isolate repair c1"]),
        ("ingress qdisc instead of clsact", Host("tc qdisc del dev eth0 clsact", "tc qdisc add dev eth0 ingress"), true,
            ["warning  devices: eth0 has an ingress qdisc instead of clsact", "-> cni-portmap-isolate repair --all"]),
        ("foreign filter before ours", Host("tc filter add dev eth0 ingress protocol ip prio 7 u32 match ip protocol 253 0xff action mirred egress mirror dev lo"), false,
            ["warning  devices: eth0 has a filter of somebody else: u32 at priority 7 that leads to lo; it comes before ours", "-> tc filter del dev eth0 ingress prio 7"]),
        ("foreign filter on the way out", Host("tc filter add dev eth0 egress protocol ip prio 7 u32 match ip protocol 253 0xff action mirred egress mirror dev lo"), false,
            ["eth0 has a filter of somebody else on its way out: u32 at priority 7", "-> tc filter del dev eth0 egress prio 7"]),
        ("foreign filter after ours", Host("tc filter add dev eth0 ingress protocol ip prio 40000 u32 match ip protocol 253 0xff action mirred egress mirror dev lo"), false,
            ["ok       devices: eth0 has a filter of somebody else: u32 at priority 40000"]),
        ("foreign filter on the host end", Host("tc filter add dev VETH ingress protocol ip prio 1 u32 match ip protocol 253 0xff action mirred egress redirect dev lo"), true,
            ["FAULT    devices: VETH of c1 has a filter of somebody else: u32 at priority 1", "let the container send what it likes", "-> cni-portmap-isolate repair c1"]),
        ("foreign qdisc on the host end", Host("tc qdisc add dev VETH root handle 1: htb"), false, ["warning  devices: VETH of c1 has a qdisc htb 1:", "-> tc qdisc del dev VETH root"]),
        ("a veth without record", (bed, _) => File.Delete(bed.RecordPath("c1")), false, ["warning  strays: VETH has no record; its alias is \"portmap-isolate testnet c1 eth0\"", "-> cni-portmap-isolate gc"]),
        ("entries of a stranger", Host("tc filter add dev eth0 ingress protocol arp prio 28781 u32 ht 60b:0: match u32 0 0 action mirred egress mirror dev lo"), false,
            ["warning  strays: 1 filters of eth0 lead to lo, which is no container's"]),
        ("earlier boot", (bed, _) => bed.EditRecord("c1", record => record["bootId"] = "00000000-0000-0000-0000-000000000000"), false,
            ["warning  testnet/c1/eth0: its record is of an earlier boot", "-> cni-portmap-isolate gc"]),
        ("creating for ever", (bed, _) => bed.EditRecord("c1", record =>
            {
                record["state"] = "creating";
                record["creatorPid"] = 0x3fffff;
            }), false, ["warning  testnet/c1/eth0: it is creating, and process 4194303, which was at it, has died", "-> cni-portmap-isolate gc"]),
        ("interrupted update", (bed, _) => bed.EditRecord("c1", record =>
            {
                record["change"] = JsonNode.Parse("""{"claims":[{"protocol":"tcp","begin":31006,"end":31006}],"egress":null,"ingress":null}""");
                record["creatorPid"] = 0x3fffff;
            }), true, ["FAULT    testnet/c1/eth0: an update was interrupted", "-> cni-portmap-isolate repair c1"]),
        ("namespace of another", (bed, _) => bed.EditRecord("c1", record => record["netnsInode"] = 1), false, ["warning  testnet/c1/eth0:", "is gone or another namespace", "-> cni-portmap-isolate gc"]),
        ("store writable by all", (bed, _) => File.SetUnixFileMode(bed.Store, (UnixFileMode)511), true, ["FAULT    store: STORE has mode 0777", "-> chmod 0700 STORE"]),
        ("record writable by all", (bed, _) => File.SetUnixFileMode(bed.RecordPath("c1"), (UnixFileMode)438), true, ["has mode 0666: writable by others", "-> chmod 0600 STORE/VETH.json"]),
        ("store of somebody else", (bed, _) => bed.Host.Execute("chown", "12345", bed.Store).Require(), true, ["FAULT    store: STORE belongs to user 12345", "-> chown 0 STORE"]),
        ("record is a link", (bed, _) =>
            {
                File.Delete(bed.RecordPath("c1"));
                File.CreateSymbolicLink(Path.Combine(bed.Store, "pmi000000000000.json"), "/nonexistent");
            }, true, ["pmi000000000000.json is a symbolic link", "-> rm STORE/pmi000000000000.json"]),
        ("log writable by all", (bed, _) => File.SetUnixFileMode(bed.Config.LogFile!, (UnixFileMode)438), false, ["warning  log:", "mode 0666", "-> chmod go-w "]),
        ("log is a directory", (bed, _) =>
            {
                File.Delete(bed.Config.LogFile!);
                Directory.CreateDirectory(bed.Config.LogFile!);
            }, true, ["FAULT    log:", "is a directory"]),
    ];

    public static TheoryData<string> Names => [.. Findings.Select(one => one.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void It_is_told_with_the_command_that_mends_it(string name)
    {
        (_, Action<Bed, Namespace> act, bool fault, string[] said) = Findings.Single(one => one.Name == name);
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        string veth = bed.HostInterface("c1");
        CommandResult before = Doctor(bed);
        Assert.True(before.ExitCode == 0 && before.Error.Length == 0, before.ToString());
        act(bed, container);
        CommandResult told = Doctor(bed);
        Assert.True(told.ExitCode == (fault ? 1 : 0) && told.Error.Length == 0, told.ToString());
        Bed.Says(told.Output, [.. said.Select(part => part.Replace("VETH", veth, StringComparison.Ordinal).Replace("STORE", bed.Store, StringComparison.Ordinal))]);
    }

    [Fact]
    public void Processes_of_the_host_on_ports_of_containers_are_named()
    {
        using Bed bed = new();
        bed.Added("c1", 31005);
        using EchoServer inPool = EchoServer.Start(bed.Host, Transport.Tcp, IPAddress.Any, 20000);
        using EchoServer inPorts = EchoServer.Start(bed.Host, Transport.Udp, IPAddress.Loopback, 31500);
        using EchoServer owned = EchoServer.Start(bed.Host, Transport.Tcp, IPAddress.Any, 31005);
        CommandResult told = Doctor(bed);
        Assert.Equal(1, told.ExitCode);
        string remedy = $"-> kill {Environment.ProcessId}";
        Bed.Says(
            told.Output,
            "listens on tcp 0.0.0.0:20000, in ephemeralPorts of network testnet",
            "listens on udp 127.0.0.1:31500, in ports of network testnet",
            "listens on tcp 0.0.0.0:31005, which is testnet/c1/eth0's",
            $"(process {Environment.ProcessId} of user 0)",
            remedy);
    }

    [Fact]
    public void Without_a_configuration_the_networks_that_the_store_remembers_are_checked()
    {
        using Bed bed = new();
        bed.Added("c1");
        Bed.Says(bed.Plugin.CommandLine("doctor").Output, "ok       ports: pool 16384-24575 of network testnet lies outside the host's own 32768-60999");
        bed.Host.Sysctl("net/ipv4/ip_local_port_range", "16384 60999");
        CommandResult told = bed.Plugin.CommandLine("doctor");
        Assert.Equal(1, told.ExitCode);
        Bed.Says(told.Output, "FAULT    ports: ephemeralPorts 16384-24575 of network testnet");
    }

    [Fact]
    public void A_store_that_is_a_symbolic_link_is_a_fault()
    {
        using Bed bed = new();
        string target = bed.Store + ".target";
        Directory.CreateDirectory(target);
        File.CreateSymbolicLink(bed.Store, target);
        CommandResult told = Doctor(bed);
        Assert.Equal(1, told.ExitCode);
        Bed.Says(told.Output, $"FAULT    store: {bed.Store} is a symbolic link", $"-> rm {bed.Store}");
    }

    [Fact]
    public void A_pool_that_another_network_gives_as_fixed_ports_is_told()
    {
        using Bed bed = new();
        bed.Added("c1");
        Bed.Says(
            Doctor(bed, bed.Config with { Name = "second", Ports = "16000-17000", EphemeralPorts = "24576-25599" }).Output,
            "warning  ports: 16384-17000 are in ephemeralPorts of network testnet and in ports of network second");
    }

    private static Action<Bed, Namespace> Host(params string[] commands) => (bed, _) => Execute(bed.Host, commands, bed.HostInterface("c1"));

    private static Action<Bed, Namespace> Inside(params string[] commands) => (_, container) => Execute(container, commands, "");

    private static void Execute(Namespace place, string[] commands, string veth)
    {
        foreach (string command in commands)
        {
            string[] words = command.Replace("VETH", veth, StringComparison.Ordinal).Split(' ');
            place.Execute(words[0], words[1..]).Require();
        }
    }

    private static CommandResult Doctor(Bed bed, NetworkConfig? config = null)
    {
        string file = bed.Store + ".conf";
        File.WriteAllText(file, (config ?? bed.Config).ToJson().ToJsonString());
        return bed.Plugin.CommandLine("doctor", "--config", file);
    }
}
