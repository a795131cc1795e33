using System.Diagnostics;
using System.Text.Json.Nodes;
using CniIsolator.Bench.Control;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Shaping;

/// <summary>What a limit let through.</summary>
/// <param name="Megabits">The limit, Mbit/s of Ethernet frames.</param>
/// <param name="Direction">Of the bytes.</param>
/// <param name="Flows">TCP connections that share it.</param>
/// <param name="Wire">Mbit/s of Ethernet frames that the shaper sent.</param>
/// <param name="Goodput">Mbit/s of payload that the receivers' programs got.</param>
internal sealed record RateCell(int Megabits, Direction Direction, int Flows, double Wire, double Goodput)
{
    /// <summary>The wire rate beside the limit.</summary>
    public double Achieved => Wire / Megabits;
}

/// <summary>How near to its limit a container's traffic comes, on this machine's kernel, once the connections have got going.</summary>
internal static class AchievedRate
{
    private const int Port = 31000;
    private const int SliceSize = 64;

    /// <summary>Rates that leave a processor next to nothing to do: their cells may run side by side.</summary>
    private const int SlowMegabits = 20;

    private static readonly int[] Rates = [1, 20, 100, 1000];
    private static readonly int[] FlowCounts = [1, 16];

    public static IReadOnlyList<RateCell> Run(Options options)
    {
        List<RateCell> cells = [];
        foreach (int rate in Rates)
        {
            Progress.Say($"limit of {rate} Mbit/s, both directions, {string.Join(" and ", FlowCounts)} flows");
            List<(Direction Direction, int Flows)> wanted =
                [.. from direction in new[] { Direction.Egress, Direction.Ingress } from flows in FlowCounts select (direction, flows)];
            cells.AddRange(rate <= SlowMegabits
                ? Parallel(wanted, one => Measure(rate, one.Direction, one.Flows, options.Quick))
                : wanted.Select(one => Measure(rate, one.Direction, one.Flows, options.Quick)));
        }

        return cells;
    }

    private static RateCell Measure(int megabits, Direction direction, int flows, bool quick)
    {
        using Topology topology = new();
        PluginChain plugin = Contestants.Limited(topology, SliceSize, megabits * 1_000_000L / 8, _ => Port);
        Namespace container = topology.AddContainerNamespace();
        plugin.Add(0, container);
        using ClassCounter counter = direction == Direction.Egress
            ? new(container, name => name == "eth0")
            : new(topology.Host, name => name.StartsWith("pmi", StringComparison.Ordinal));
        using BulkFlows bulk = new(topology, container, direction, flows);

        // At a low rate the first round trips take longer, and a window must hold many packets.
        (double warm, double window) = (megabits == 1, quick) switch
        {
            (true, false) => (3, 10),
            (true, true) => (2, 4),
            (false, false) => (1, 2),
            (false, true) => (0.5, 1),
        };
        Thread.Sleep(TimeSpan.FromSeconds(warm));
        Reading begin = counter.AtPacket();
        long received = bulk.Received;
        Thread.Sleep(TimeSpan.FromSeconds(window));
        Reading end = counter.AtPacket();
        received = bulk.Received - received;
        double microseconds = Stopwatch.GetElapsedTime(begin.Timestamp, end.Timestamp).TotalMicroseconds;
        return new RateCell(megabits, direction, flows, (end.Bytes - begin.Bytes) * 8 / microseconds, received * 8 / microseconds);
    }

    private static IEnumerable<RateCell> Parallel<T>(IEnumerable<T> wanted, Func<T, RateCell> measure)
    {
        // Threads of their own: each sleeps most of the time, which would starve a pool.
        Task<RateCell>[] tasks = [.. wanted.Select(one => Task.Factory.StartNew(() => measure(one), TaskCreationOptions.LongRunning))];
        return [.. tasks.Select(task => task.GetAwaiter().GetResult())];
    }

    public static JsonArray Json(IReadOnlyList<RateCell> cells) => [.. cells.Select(cell => (JsonNode)new JsonObject
    {
        ["limit"] = cell.Megabits,
        ["direction"] = cell.Direction.ToString(),
        ["flows"] = cell.Flows,
        ["wire"] = Math.Round(cell.Wire, 4),
        ["goodput"] = Math.Round(cell.Goodput, 4),
    })];
}
