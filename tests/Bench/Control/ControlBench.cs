using CniIsolator.Testbed;

namespace CniIsolator.Bench.Control;

/// <summary>ADD and DEL of one contestant.</summary>
internal sealed record ControlSamples(string Name, Sample Add, Sample Delete);

/// <summary>What was measured on the control path.</summary>
/// <param name="Contestants">Side by side.</param>
/// <param name="Many">This project's plugin alone, on a host that fills up, in the order of the containers.</param>
/// <param name="DeleteLink">RTM_DELLINK by itself.</param>
/// <param name="StartUp">Processes that do nothing.</param>
internal sealed record ControlResult(
    IReadOnlyList<ControlSamples> Contestants, ControlSamples Many, Sample DeleteLink, Dictionary<string, Sample> StartUp);

/// <summary>Times ADD and DEL, process start to exit. The contestants take turns container by container, so that whatever else the machine does hits all of them.</summary>
internal static class ControlBench
{
    public static ControlResult Run(Options options)
    {
        Progress.Say("start-up");
        Dictionary<string, Sample> startUp;
        using (Topology place = new())
        {
            startUp = new StartUp(place).Measure(options.Quick ? 20 : 100);
        }

        (List<ControlSamples> contestants, Sample deleteLink) = Compare(options.Containers);
        return new ControlResult(contestants, Fill(options.ManyContainers), deleteLink, startUp);
    }

    private static (List<ControlSamples> Samples, Sample DeleteLink) Compare(int containers)
    {
        using Topology own = new();
        using Topology ptp = new();
        using Topology chain = new();
        using Topology bridge = new();
        using Topology bare = new();
        using KernelFloor floor = new(bare);
        IContestant[] contestants = [Contestants.OwnPlugin(own), Contestants.PtpPlugin(ptp), Contestants.ReferenceChain(chain), Contestants.BridgeChain(bridge, Contestants.Ports), floor];
        List<ControlSamples> samples = [.. contestants.Select(c => new ControlSamples(c.Name, new Sample(), new Sample()))];

        Progress.Say($"{containers} containers for each of {contestants.Length} contestants");
        Namespace[][] namespaces = [.. contestants.Select(c => Prepare(c, containers))];
        WarmUp(contestants);
        for (int i = 0; i < containers; i++)
        {
            Progress.Count("ADD", i, containers);
            for (int turn = 0; turn < contestants.Length; turn++)
            {
                int which = (i + turn) % contestants.Length;
                samples[which].Add.Add(contestants[which].Add(i, namespaces[which][i]));
            }
        }

        for (int i = 0; i < containers; i++)
        {
            Progress.Count("DEL", i, containers);
            for (int turn = 0; turn < contestants.Length; turn++)
            {
                int which = (i + turn) % contestants.Length;
                samples[which].Delete.Add(contestants[which].Delete(i, namespaces[which][i]));
            }
        }

        return (samples, floor.DeleteLink);
    }

    private static ControlSamples Fill(int containers)
    {
        Progress.Say($"{containers} containers on one host");
        using Topology topology = new();
        PluginChain own = Contestants.OwnPlugin(topology);
        Namespace[] namespaces = Prepare(own, containers);
        WarmUp([own]);
        ControlSamples samples = new(own.Name, new Sample(), new Sample());
        for (int i = 0; i < containers; i++)
        {
            Progress.Count("ADD", i, containers);
            samples.Add.Add(own.Add(i, namespaces[i]));
        }

        for (int i = 0; i < containers; i++)
        {
            Progress.Count("DEL", i, containers);
            samples.Delete.Add(own.Delete(i, namespaces[i]));
        }

        return samples;
    }

    private static Namespace[] Prepare(IContestant contestant, int containers) =>
        [.. Enumerable.Range(0, containers).Select(_ => contestant.Topology.AddContainerNamespace())];

    /// <summary>The first container of a host pays for reading programs from disk and for what all containers share.</summary>
    private static void WarmUp(IEnumerable<IContestant> contestants)
    {
        const int Number = 330;
        foreach (IContestant contestant in contestants)
        {
            Namespace container = contestant.Topology.AddContainerNamespace();
            contestant.Add(Number, container);
            if (contestant is KernelFloor floor)
            {
                floor.Delete(Number, container);
            }
        }
    }
}
