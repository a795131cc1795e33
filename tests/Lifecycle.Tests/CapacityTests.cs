using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>The largest numbers that the kernel's handles have room for, and one more.</summary>
public sealed class CapacityTests
{
    private const int FirstFlow = 3;
    private const int Flows = 1021;
    private const int SliceSize = 16;

    [Fact]
    public void A_container_more_than_there_are_flows_is_refused_and_nothing_is_made()
    {
        using Bed bed = WithAllFlowsTaken(_ => true);
        KernelState host = Bed.Settled(bed.Host);
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        Bed.Fails(Add(bed, container), 107, "egressUniqueFlowPerContainer", "1021", bed.Net.Options.Master, "nothing was made");
        Assert.Equal(Flows, bed.Records.Length);
        Bed.Unchanged(host, bed.Host);
        Bed.Unchanged(inside, container);
    }

    [Fact]
    public void The_flow_of_a_dead_container_is_given_to_the_next()
    {
        const int Dead = 500;
        using Bed bed = WithAllFlowsTaken(flow => flow != Dead);
        PluginResult result = Add(bed, bed.Container());
        if (result.Succeeded)
        {
            Assert.Equal(Flows, bed.Records.Length);
            Assert.Equal(Dead, (int)bed.Record("one-more")["numbers"]!["flow"]!);
        }
        else
        {
            // A kernel without fq_codel, of which only somebody who was given a flow gets to know.
            Bed.Fails(result, 104, "fq_codel");
            Assert.Equal(Flows - 1, bed.Records.Length);
        }

        Assert.DoesNotContain(bed.Records, path => File.ReadAllText(path).Contains($"\"c{Dead}\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Two_thousand_blocks_of_ports_work_and_one_more_is_refused()
    {
        // Every other port is a block of its own, and counts for TCP and for UDP.
        int[] ports = [.. Enumerable.Range(0, 1000).Select(number => 25_001 + (2 * number))];
        string arguments = "PORTS=" + string.Join(',', ports);
        using Bed bed = new(config => config with { Ports = "25000-30999" });
        NetworkConfig tooMany = bed.Config with { PortMappings = [new PortMapping(30_000, 30_000)] };
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        Bed.Fails(bed.Plugin.Add(container, "c1", arguments: arguments, config: tooMany), 7, "2001", "2000");
        Bed.Unchanged(inside, container);
        bed.AssertClean();

        bed.Plugin.Add(container, "c1", arguments: arguments).Require();
        bed.Plugin.Check(container, "c1", arguments: arguments).Require();
        await bed.AssertReachableAsync(container, ports[0]);
        await bed.AssertReachableAsync(container, ports[^1]);
        bed.Plugin.Del(container, "c1", arguments: arguments).Require();
        bed.AssertClean();
    }

    private static PluginResult Add(Bed bed, Namespace container) =>
        bed.Plugin.Add(container, "one-more", config: bed.Config.With("egressUniqueFlowPerContainer", true));

    /// <summary>A store with a record for each flow: of ADDs that this process is in the midst of, or that died on the way.</summary>
    private static Bed WithAllFlowsTaken(Predicate<int> isAlive)
    {
        Bed bed = new(config => config.With("ephemeralPortsPerContainer", SliceSize) with { EphemeralPorts = "16384-32767", Ports = "1024-2000" });
        try
        {
            JsonObject template = TakeTemplate(bed);
            string[] status = File.ReadAllText("/proc/self/stat").Split(") ")[^1].Split(' ');
            ulong started = ulong.Parse(status[19], CultureInfo.InvariantCulture); // Field 22 of proc_pid_stat(5), of which 3 is the first here.
            template["state"] = "creating";
            template["process"]!["pid"] = Environment.ProcessId;
            for (int number = 0; number < Flows; number++)
            {
                int flow = FirstFlow + number;
                int slice = Bed.FirstSlice + (number * SliceSize);
                string id = $"c{flow}";
                template["key"]!["containerId"] = id;
                template["numbers"]!["slot"] = 1 + number;
                template["numbers"]!["flow"] = flow;
                template["ports"]!["ephemeral"] = new JsonObject { ["begin"] = slice, ["end"] = slice + SliceSize - 1 };
                template["namespace"]!["inode"] = 1 + number;
                template["process"]!["startTime"] = isAlive(flow) ? started : started + 1;
                string file = "pmi" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{bed.Config.Name}\0{id}\0eth0")))[..12];
                template["hostInterface"] = file;
                File.WriteAllText(Path.Combine(bed.Store, file + ".json"), template.ToJsonString());
            }

            return bed;
        }
        catch
        {
            bed.Dispose();
            throw;
        }
    }

    /// <summary>A record as the plugin writes it, of a container that is gone again.</summary>
    private static JsonObject TakeTemplate(Bed bed)
    {
        Namespace container = bed.Added("template");
        JsonObject record = bed.Record("template");
        bed.Plugin.Del(container, "template").Require();
        return record;
    }
}
