namespace CniIsolator.Bench.Exporter;

/// <summary>What was measured of scrapes.</summary>
/// <param name="Containers">On each host.</param>
/// <param name="Own">The exporter, from the least that it tells to everything.</param>
/// <param name="Peers">node_exporter; the first is the one to compare with.</param>
/// <param name="Links">The kernel's dump of all links by itself, ms.</param>
/// <param name="Qdiscs">The same of all qdiscs on the host, ms.</param>
/// <param name="Inside">The same of the qdiscs in all containers, ms.</param>
/// <param name="TableKibibytes">What a namespace with a table of its own takes more than one without, about.</param>
internal sealed record ExporterResult(
    int Containers,
    IReadOnlyList<ScrapeSamples> Own,
    IReadOnlyList<ScrapeSamples> Peers,
    Sample Links,
    Sample Qdiscs,
    Sample Inside,
    double TableKibibytes)
{
    public ScrapeSamples Base => Own[0];

    public ScrapeSamples NetDev => Peers[0];

    /// <summary>Median over the rounds of how long a scrape took beside node_exporter's in the same round.</summary>
    public double Ratio(ScrapeSamples one) => one.Rounds.Count == NetDev.Rounds.Count
        ? Sample.Median(one.Rounds.Zip(NetDev.Rounds, (a, b) => a.P50 / b.P50))
        : one.Wall.P50 / NetDev.Wall.P50;
}

/// <summary>Scrapes the exporter and node_exporter on hosts full of containers, in turns, so that whatever else the machine does hits all of them.</summary>
internal static class ExporterBench
{
    /// <summary>Places in a container's own table of connections.</summary>
    public const int TableEntries = 1024;

    private const int WarmUp = 20;

    // Rounds from one of node_exporter's qdisc collector to the next, which takes seconds for a scrape.
    private const int SlowEvery = 7;

    private static readonly string[] Summary = ["--socket-statistics", "summary", "--snmp"];

    private static readonly string[] Everything =
        ["--socket-statistics", "details", "--snmp", "--port-statistics", "--rate-window", "60", "--rate-interval", "1"];

    public static ExporterResult Run(Options options)
    {
        List<IDisposable> made = [];
        try
        {
            CrowdedHost plain = Keep(CrowdedHost.Build(options.Crowd, limited: false));
            CrowdedHost quiet = Keep(CrowdedHost.Build(options.Crowd));
            CrowdedHost shared = Keep(CrowdedHost.Build(options.Crowd, connected: true));
            CrowdedHost apart = Keep(CrowdedHost.Build(options.Crowd, TableEntries, connected: true));
            ScrapeTarget[] own =
            [
                Keep(ScrapeTarget.Exporter("base", plain)),
                Keep(ScrapeTarget.Exporter("base, limits both ways", quiet)),
                Keep(ScrapeTarget.Exporter("summary of sockets, SNMP", quiet, Summary)),
                Keep(ScrapeTarget.Exporter("everything", quiet, Everything)),
                Keep(ScrapeTarget.Exporter("everything, connections", shared, Everything)),
                Keep(ScrapeTarget.Exporter("everything, connections, own tables", apart, Everything)),
            ];
            ScrapeTarget[] peers =
            [
                Keep(ScrapeTarget.NodeExporter("node_exporter: netdev", plain, "netdev")),
                Keep(ScrapeTarget.NodeExporter("node_exporter: netdev, qdisc", plain, "netdev", "qdisc")),
            ];
            DumpFloor floor = Keep(new DumpFloor(quiet));
            Take([.. own, .. peers], floor, options);
            return new ExporterResult(
                options.Crowd,
                [.. own.Select(target => target.Samples)],
                [.. peers.Select(target => target.Samples)],
                floor.Links,
                floor.Qdiscs,
                floor.Inside,
                apart.NamespaceKibibytes - shared.NamespaceKibibytes);
        }
        finally
        {
            // Processes before the namespaces that they are in.
            for (int i = made.Count - 1; i >= 0; i--)
            {
                made[i].Dispose();
            }
        }

        T Keep<T>(T one)
            where T : IDisposable
        {
            made.Add(one);
            return one;
        }
    }

    /// <summary>The last of the targets is the slow one.</summary>
    private static void Take(ScrapeTarget[] targets, DumpFloor floor, Options options)
    {
        Progress.Say($"{options.ScrapeRounds} rounds of {options.Scrapes} scrapes of {targets.Length} servers");
        foreach (ScrapeTarget target in targets)
        {
            target.WarmUp(WarmUp);
        }

        for (int round = 0; round < options.ScrapeRounds; round++)
        {
            for (int turn = 0; turn < targets.Length; turn++)
            {
                int which = (round + turn) % targets.Length;
                if (which != targets.Length - 1 || round % SlowEvery == 0)
                {
                    targets[which].Measure(options.Scrapes);
                }
            }

            floor.Measure(options.Scrapes);
        }

        Progress.Say("a scrape every fifteen seconds: resident memory");
        for (int scrape = 0; scrape < 5; scrape++)
        {
            Thread.Sleep(TimeSpan.FromSeconds(scrape == 0 ? 0 : 15));
            foreach (ScrapeTarget target in targets)
            {
                target.MeasureMemory();
            }
        }
    }
}
