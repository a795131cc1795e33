using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Each thing that "doctor" finds on a host with a container, with the command that mends it.</summary>
public sealed class DoctorFindingTests
{
    public static TheoryData<string> Names => [.. DoctorCases.All.Select(one => one.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void It_is_told_with_the_command_that_mends_it(string name)
    {
        DoctorCase one = DoctorCases.All.Single(one => one.Name == name);
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        string veth = bed.HostInterface("c1");
        CommandResult before = Doctor(bed);
        Assert.True(before.ExitCode == 0 && before.Error.Length == 0, before.ToString());
        one.Do(bed, container);
        CommandResult told = Doctor(bed);
        Assert.True(told.ExitCode == (one.Fault ? 1 : 0) && told.Error.Length == 0, told.ToString());
        Bed.Says(
            told.Output,
            [.. one.Said.Select(part => part.Replace("VETH", veth, StringComparison.Ordinal).Replace("STORE", bed.Store, StringComparison.Ordinal).Replace("LOG", bed.Config.LogFile, StringComparison.Ordinal))]);
        Remedies.Follow(bed, before.Output, told.Output, () => Doctor(bed), one.Rounds);
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
        string holder = File.ReadAllText("/proc/self/comm").Trim();
        Bed.Says(
            told.Output,
            "listens on tcp 0.0.0.0:20000, in ephemeralPorts of network testnet",
            "listens on udp 127.0.0.1:31500, in ports of network testnet",
            "listens on tcp 0.0.0.0:31005, which is testnet/c1/eth0's",
            $"(process {Environment.ProcessId} of user 0)",
            $"-> stop {holder} (process {Environment.ProcessId}), or have it use another port; ss -ltpn 'sport = :31005' shows it",
            "ss -uapn 'sport = :31500' shows it");
        Bed.Says(bed.Host.Execute("sh", "-c", "ss -ltpn 'sport = :31005'").Require(), $"pid={Environment.ProcessId},");
        Assert.DoesNotContain("-> kill", told.Output, StringComparison.Ordinal);
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
        Remedies.Follow(bed, "", told.Output.Replace("warning", "", StringComparison.Ordinal), () => Faults(bed), 1);
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

    [Fact]
    public void Programs_of_tcx_are_named()
    {
        using Bed bed = new();
        bed.Added("c1", 31005);
        if (!ClassifierProgram.TryAttach(bed.Host, "eth0", ingress: true, "cil_from_netdev"))
        {
            // A kernel before 6.6 has none, and nothing to say of them.
            Assert.DoesNotContain("tcx", Doctor(bed).Output, StringComparison.Ordinal);
            return;
        }

        Assert.True(ClassifierProgram.TryAttach(bed.Host, bed.HostInterface("c1"), ingress: false, "watcher"));
        CommandResult told = Doctor(bed);
        Assert.Equal(0, told.ExitCode);
        Bed.Says(
            told.Output,
            "warning  devices: eth0 has a tcx program on its ingress: cil_from_netdev (number ",
            ", it looks like Cilium's); it runs before all filters",
            $"warning  devices: {bed.HostInterface("c1")} has a tcx program on its egress: watcher (number ",
            "takes it off");
    }

    [Fact]
    public void A_log_that_cannot_be_written_is_a_fault()
    {
        using Bed bed = new();
        bed.Added("c1");
        CommandResult told = Injected(bed, "openat", "EROFS", "-P", bed.Config.LogFile!);
        Assert.Equal(1, told.ExitCode);
        Bed.Says(told.Output, $"FAULT    log: {bed.Config.LogFile} cannot be written, and nothing is logged", "Read-only file system", $"-> findmnt -T {bed.Config.LogFile}");
    }

    [Fact]
    public void A_kernel_without_bpf_is_told()
    {
        using Bed bed = new();
        bed.Added("c1");
        Bed.Says(Injected(bed, "bpf", "ENOSYS").Output, "warning  kernel: lacks bpf filters (CONFIG_NET_CLS_BPF, kernel 4.1)", "-> modprobe cls_bpf");
        Assert.DoesNotContain("lacks bpf filters", Doctor(bed).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_store_on_a_tmpfs_is_as_it_should_be()
    {
        using Bed bed = new();
        string store = $"/dev/shm/{Path.GetFileName(bed.Net.StateDirectory)}";
        Directory.CreateDirectory(store, (UnixFileMode)448);
        try
        {
            string told = new Plugin(bed.Net, bed.Config with { StateDirectory = store }).CommandLine("doctor").Output;
            Bed.Says(told, $"ok       store: {store} has 0 attachments");
            Assert.DoesNotContain("not on a tmpfs", told, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(store, recursive: true);
        }
    }

    [Fact]
    public void A_container_whose_record_is_lost_or_unreadable_is_known_again_with_the_next_ADD()
    {
        using Bed bed = new();
        bed.Added("c1", 31005);
        List<string> before = Remedies.Findings(Doctor(bed).Output);
        File.WriteAllText(bed.RecordPath("c1"), "{");
        Bed.Says(Doctor(bed).Output, "FAULT    store", "is unreadable", "-> DEL the container, or start another one");
        bed.Added("c2");
        Assert.Equal(before, Remedies.Findings(Doctor(bed).Output));
        Array.ForEach(bed.Records, File.Delete);
        Bed.Says(Doctor(bed).Output, "warning  strays", "-> start another container");
        bed.Added("c3");
        Assert.Equal(before, Remedies.Findings(Doctor(bed).Output));
    }

    private static CommandResult Doctor(Bed bed, NetworkConfig? config = null)
    {
        string file = bed.Store + ".conf";
        File.WriteAllText(file, (config ?? bed.Config).ToJson().ToJsonString());
        return bed.Plugin.CommandLine("doctor", "--config", file);
    }

    private static CommandResult Faults(Bed bed)
    {
        CommandResult told = Doctor(bed);
        return told with { Output = told.Output.Replace("warning", "", StringComparison.Ordinal) };
    }

    /// <summary>"doctor" as it is when the kernel refuses a call.</summary>
    private static CommandResult Injected(Bed bed, string call, string error, params string[] filter)
    {
        string file = bed.Store + ".conf";
        File.WriteAllText(file, bed.Config.ToJson().ToJsonString());
        return bed.Host.Execute(
            "strace", ["-f", "-o", "/dev/null", .. filter, "-e", $"trace={call}", "-e", $"inject={call}:error={error}", bed.Plugin.Binary, "doctor", "--config", file, "--state-dir", bed.Store]);
    }
}
