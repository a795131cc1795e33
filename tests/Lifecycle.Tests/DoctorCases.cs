using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Something that goes wrong on a host with the container c1, and what "doctor" says of it.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Do">Does it.</param>
/// <param name="Fault">Whether it makes the exit code 1.</param>
/// <param name="Said">What is said.</param>
/// <param name="Rounds">How often the printed commands are followed until nothing is found any more; 0 where no command mends it.</param>
internal sealed record DoctorCase(string Name, Action<Bed, Namespace> Do, bool Fault, string[] Said, int Rounds = 1);

/// <summary>Each thing that "doctor" finds on a host with a container.</summary>
internal static class DoctorCases
{
    /// <summary>VETH stands for the container's host end, STORE for the store, LOG for the log.</summary>
    public static readonly DoctorCase[] All =
    [
        new("pool in the local range", (bed, _) => bed.Host.Sysctl("net/ipv4/ip_local_port_range", "16384 60999"), true,
            ["FAULT    ports: ephemeralPorts 16384-24575", "net.ipv4.ip_local_port_range 16384-60999", "-> sysctl -w net.ipv4.ip_local_port_range=\"32002 60999\""]),
        new("ports in the local range", (bed, _) =>
            {
                bed.Host.Sysctl("net/ipv4/ip_local_port_range", "25000 60999");
                bed.Host.Sysctl("net/ipv4/ip_local_reserved_ports", "30000,31000-31099");
            }, false, ["warning  ports: ports 31000-32000", "any of 31100-32000", "-> sysctl -w net.ipv4.ip_local_reserved_ports=30000,31000-32000"]),
        new("master down", Host("ip link set eth0 down"), true, ["FAULT    master: master \"eth0\": the interface is down", "-> ip link set eth0 up"], Rounds: 2),
        new("no address", Host("ip address flush dev eth0"), true, ["FAULT    master", "no IPv4 address", "-> ip address add 10.77.0.2/24 dev eth0"], Rounds: 2),
        new("several addresses", Host("ip address add 10.77.0.8/24 dev eth0"), false,
            [
                "warning  master: eth0 has several addresses: containers share 10.77.0.2/24, which those that run have already, "
                + "and have nothing to do with 10.77.0.8/24",
                "-> say which in the configuration: \"address\": \"10.77.0.2\"",
            ],
            Rounds: 0),
        new("default route lost", Host("ip route del default"), true, ["FAULT    master: the host has no default route", "-> ip route add default via 10.77.0.1 dev eth0"]),
        new("master's MTU", Host("ip link set eth0 mtu 1400"), true, ["FAULT    testnet/c1/eth0: MTU of eth0: expected 1500, found 1400", "-> cni-portmap-isolate repair c1"]),
        new("master's MAC", Host("ip link set eth0 address 02:00:00:00:00:77"), true, ["MAC of eth0", "found 02:00:00:00:00:77", "-> cni-portmap-isolate repair c1"]),
        new("address changed", Host("ip address flush dev eth0", "ip address add 10.77.0.9/24 dev eth0", "ip route add default via 10.77.0.1"), true,
            ["address of eth0: expected 10.77.0.2/24, found 10.77.0.9/24", "-> cni-portmap-isolate repair c1"]),
        new("MAC of lo", Host("ip link set lo address 02:00:00:00:00:99"), true, ["FAULT    shared: MAC of the host's lo", "-> cni-portmap-isolate repair --all"]),
        new("lo down", Host("ip link set lo down"), true, ["FAULT    shared: state of the host's lo: expected up, found down", "-> cni-portmap-isolate repair --all"]),
        new("accept_local", (bed, _) => bed.Host.Sysctl("net/ipv4/conf/lo/accept_local", "0"), true, ["FAULT    shared", "lo/accept_local", "-> cni-portmap-isolate repair --all"]),
        new("route_localnet", (bed, _) => bed.Host.Sysctl("net/ipv4/conf/lo/route_localnet", "0"), true, ["FAULT    shared", "lo/route_localnet", "-> cni-portmap-isolate repair --all"]),
        new("tables gone", Host("tc qdisc del dev eth0 clsact"), true, ["FAULT    shared: qdisc for filters of eth0", "filter 610:0:0 on eth0", "-> cni-portmap-isolate repair --all"]),
        new("note gone", (bed, _) => File.Delete(Path.Combine(bed.Store, "host.json")), true, ["FAULT    shared", "host.json", "-> cni-portmap-isolate repair --all"]),
        new("host end's MTU", Host("ip link set VETH mtu 1300"), true, ["FAULT    testnet/c1/eth0: MTU of VETH", "-> cni-portmap-isolate repair c1"]),
        new("host end gone", Host("ip link del VETH"), true, ["link VETH: expected a veth, found none", "-> cni-portmap-isolate repair c1", "warning  strays", "lead to an interface that is gone"]),
        new("container's lo", Inside("ip link set lo mtu 65536"), true, ["MTU of lo in the container: expected 1500, found 65536", "-> cni-portmap-isolate repair c1"]),
        new("container's address", Inside("ip address flush dev eth0"), true, ["address of eth0 in the container", "-> cni-portmap-isolate repair c1"]),
        new("ingress qdisc instead of clsact", Host("tc qdisc del dev eth0 clsact", "tc qdisc add dev eth0 ingress"), true,
            ["warning  devices: eth0 has an ingress qdisc instead of clsact", "-> tc qdisc del dev eth0 ingress", "-> cni-portmap-isolate repair --all"]),
        new("foreign filter before ours", Host("tc filter add dev eth0 ingress protocol ip prio 7 u32 match ip protocol 253 0xff action mirred egress mirror dev lo"), false,
            ["warning  devices: eth0 has a filter of somebody else: u32 at priority 7 that leads to lo; it comes before ours", "-> tc filter del dev eth0 ingress prio 7"]),
        new("foreign filter on the way out", Host("tc filter add dev eth0 egress protocol ip prio 7 u32 match ip protocol 253 0xff action mirred egress mirror dev lo"), false,
            ["eth0 has a filter of somebody else on its way out: u32 at priority 7", "-> tc filter del dev eth0 egress prio 7"]),
        new("foreign filter after ours", Host("tc filter add dev eth0 ingress protocol ip prio 40000 u32 match ip protocol 253 0xff action mirred egress mirror dev lo"), false,
            ["ok       devices: eth0 has a filter of somebody else: u32 at priority 40000"], Rounds: 0),
        new("foreign filter on the host end", Host("tc filter add dev VETH ingress protocol ip prio 1 u32 match ip protocol 253 0xff action mirred egress redirect dev lo"), true,
            ["FAULT    devices: VETH of c1 has a filter of somebody else: u32 at priority 1", "let the container send what it likes", "-> cni-portmap-isolate repair c1"]),
        new("foreign qdisc on the host end", Host("tc qdisc add dev VETH root handle 1: htb"), false, ["warning  devices: VETH of c1 has a qdisc htb 1:", "-> tc qdisc del dev VETH root"]),
        new("a veth without record", (bed, _) => File.Delete(bed.RecordPath("c1")), false, ["warning  strays: VETH has no record; its alias is \"portmap-isolate testnet c1 eth0\"; the container at its other end lives", "-> start another container"], Rounds: 0),
        new("entries of a stranger", Host("tc filter add dev eth0 ingress protocol arp prio 28781 u32 ht 60b:0: match u32 0 0 action mirred egress mirror dev lo"), false,
            ["warning  strays: 1 filters of eth0 lead to lo, which is no container's", "-> tc filter del dev eth0 ingress protocol arp prio 28781 handle 60b:0:"]),
        new("earlier boot", (bed, _) =>
            {
                bed.Host.Ip($"link del {bed.HostInterface("c1")}");
                bed.EditRecord("c1", record => record["madeOn"]!["bootId"] = "00000000-0000-0000-0000-000000000000");
            }, false,
            ["warning  testnet/c1/eth0: its record is of an earlier boot", "-> cni-portmap-isolate gc"]),
        new("creating for ever", (bed, _) => bed.EditRecord("c1", record =>
            {
                record["state"] = "creating";
                record["process"]!["pid"] = 0x3fffff;
            }), false, ["warning  testnet/c1/eth0: it is creating, and process 4194303, which was at it, has died", "-> cni-portmap-isolate gc"]),
        new("interrupted update", (bed, _) => bed.EditRecord("c1", record =>
            {
                record["change"] = JsonNode.Parse("""{"claims":[{"protocol":"tcp","begin":31006,"end":31006}],"limits":{}}""");
                record["process"]!["pid"] = 0x3fffff;
            }), true, ["FAULT    testnet/c1/eth0: an update was interrupted", "-> cni-portmap-isolate repair c1"]),
        new("namespace of another", (bed, _) => bed.EditRecord("c1", record => record["namespace"]!["inode"] = 1), false, ["warning  testnet/c1/eth0:", "is gone or another namespace", "-> cni-portmap-isolate gc"]),
        new("store writable by all", (bed, _) => File.SetUnixFileMode(bed.Store, (UnixFileMode)511), true, ["FAULT    store: STORE has mode 0777", "-> chmod 0700 STORE"]),
        new("record writable by all", (bed, _) => File.SetUnixFileMode(bed.RecordPath("c1"), (UnixFileMode)438), true, ["has mode 0666: writable by others", "-> chmod 0600 STORE/VETH.json"]),
        new("store of somebody else", (bed, _) => bed.Host.Execute("chown", "12345", bed.Store).Require(), true, ["FAULT    store: STORE belongs to user 12345", "-> chown 0 STORE"]),
        new("record is a link", (bed, _) =>
            File.CreateSymbolicLink(Path.Combine(bed.Store, "pmi000000000000.json"), "/nonexistent"), true, ["pmi000000000000.json is a symbolic link", "-> rm STORE/pmi000000000000.json"]),
        new("log writable by all", (bed, _) => File.SetUnixFileMode(bed.Config.LogFile!, (UnixFileMode)438), false, ["warning  log:", "mode 0666", "-> chmod go-w "]),
        new("log is a directory", (bed, _) =>
            {
                File.Delete(bed.Config.LogFile!);
                Directory.CreateDirectory(bed.Config.LogFile!);
            }, true, ["FAULT    log:", "is a directory"], Rounds: 0),
        new("ingress qdisc with filters of its owner", Host(
            "tc qdisc del dev eth0 clsact", "tc qdisc add dev eth0 ingress", "tc filter add dev eth0 ingress protocol ip prio 40000 u32 match ip protocol 253 0xff action mirred egress mirror dev lo"), true,
            ["warning  devices: eth0 has an ingress qdisc instead of clsact", "-> when its owner has removed it: cni-portmap-isolate repair --all"], Rounds: 0),
        new("shared filter block", Host("tc qdisc del dev eth0 clsact", "tc qdisc add dev eth0 ingress_block 7 clsact"), true,
            ["FAULT    devices: the clsact qdisc of eth0 shares filter block 7", "-> tc qdisc del dev eth0 clsact", "-> cni-portmap-isolate repair"]),
        new("Cilium's program on the master", (bed, _) => ClassifierProgram.AddFilter(bed.Host, "eth0", "ingress", 1, "cil_from_netdev"), false,
            ["warning  devices: eth0 has a filter of somebody else: bpf at priority 1 with program cil_from_netdev", "looks like Cilium's", "comes before ours", "-> tc filter del dev eth0 ingress prio 1"]),
        new("Calico's program on the way out", (bed, _) => ClassifierProgram.AddFilter(bed.Host, "eth0", "egress", 1, "cali_to_hep"), false,
            ["eth0 has a filter of somebody else on its way out: bpf at priority 1 with program cali_to_hep", "looks like Calico's", "-> tc filter del dev eth0 egress prio 1"]),
        new("a program on the host end", (bed, _) => ClassifierProgram.AddFilter(bed.Host, bed.HostInterface("c1"), "ingress", 1, "antrea_probe"), true,
            ["FAULT    devices: VETH of c1 has a filter of somebody else: bpf at priority 1 with program antrea_probe", "looks like Antrea's", "-> cni-portmap-isolate repair c1"]),
        new("a program towards the container", (bed, _) => ClassifierProgram.AddFilter(bed.Host, bed.HostInterface("c1"), "egress", 3, "somebody"), false,
            ["warning  devices: VETH of c1 has a filter of somebody else towards the container: bpf at priority 3 with program somebody", "-> tc filter del dev VETH egress prio 3"]),
        new("bandwidth plugin's tbf", Host("tc qdisc add dev VETH root tbf rate 10mbit burst 20000 latency 25ms"), false,
            ["warning  devices: VETH of c1 has a qdisc tbf", "bandwidth plugin's limit on what the container receives", "-> tc qdisc del dev VETH root"]),
        new("bandwidth plugin's ifb", Host(
            "ip link add ifb7 type ifb", "ip link set ifb7 up", "tc filter add dev VETH ingress protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev ifb7"), true,
            ["FAULT    devices: VETH of c1 has a filter of somebody else: u32 at priority 1 that leads to ifb7 (an ifb: it looks like the bandwidth plugin's", "-> cni-portmap-isolate repair c1"]),
        new("loose check of sources", (bed, _) =>
            bed.EditRecord("c1", record => (record["features"] ??= new JsonObject())["dropsUnmatched"] = false), false,
            ["warning  shared: net.ipv4.conf.all.rp_filter is 2, loose", "-> sysctl -w net.ipv4.conf.all.rp_filter=1"]),
        new("host end and record gone", (bed, _) =>
            {
                bed.Host.Ip($"link del {bed.HostInterface("c1")}");
                File.Delete(bed.RecordPath("c1"));
            }, false, ["filters of eth0 lead to an interface that is gone", "-> cni-portmap-isolate gc"]),
        new("a veth without record and container", (bed, _) =>
            {
                bed.Added("c9");
                string veth = bed.HostInterface("c9");
                bed.Plugin.Del(null, "c9").Require();
                bed.Host.Ip($"link add {veth} type veth peer name end9");
                bed.Host.Execute("ip", "link", "set", veth, "alias", "portmap-isolate testnet c9 eth0").Require();
            }, false, ["has no record; its alias is \"portmap-isolate testnet c9 eth0\", and nothing lives at its other end", "-> cni-portmap-isolate gc"]),
        new("a veth of our name alone", Host("ip link add pmi0123456789ab type veth peer name end9"), false,
            ["warning  strays: pmi0123456789ab has no record, and nothing lives at its other end", "-> ip link del pmi0123456789ab"]),
        new("unreadable note", (bed, _) => File.WriteAllText(Path.Combine(bed.Store, "host.json"), "{"), true,
            ["FAULT    store: STORE/host.json is unreadable", "-> cni-portmap-isolate repair --all"]),
        new("unreadable note without containers", (bed, container) =>
            {
                bed.Plugin.Del(container, "c1").Require();
                File.WriteAllText(Path.Combine(bed.Store, "host.json"), "{");
            }, true, ["FAULT    store: STORE/host.json is unreadable", "-> rm STORE/host.json"]),
        new("unreadable record without interface", (bed, _) => File.WriteAllText(Path.Combine(bed.Store, "pmi000000000000.json"), "{"), true,
            ["FAULT    store: STORE/pmi000000000000.json is unreadable", "its interface is gone", "-> rm STORE/pmi000000000000.json"]),
        new("something else in the store", (bed, _) => Directory.CreateDirectory(Path.Combine(bed.Store, "notes")), false,
            ["warning  store: STORE/notes is no file of ours", "-> move it to another place"], Rounds: 0),
        new("log is a link", (bed, _) =>
            {
                File.Delete(bed.Config.LogFile!);
                File.CreateSymbolicLink(bed.Config.LogFile!, "/nonexistent");
            }, true, ["FAULT    log: LOG is a symbolic link", "-> rm LOG"]),
        new("log is a fifo", (bed, _) =>
            {
                File.Delete(bed.Config.LogFile!);
                bed.Host.Execute("mkfifo", bed.Config.LogFile!).Require();
            }, true, ["FAULT    log: LOG is no file", "-> rm LOG"]),
    ];

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
}
