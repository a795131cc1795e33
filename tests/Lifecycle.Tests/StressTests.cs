using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;
using Xunit.Abstractions;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>
/// Two hundred processes at once do at random whatever there is to do with forty containers. The seed is printed; PORTMAP_STRESS_SEED sets it, for
/// the same choices again, and PORTMAP_STRESS_MINUTES how long it goes on.
/// </summary>
public sealed partial class StressTests(ITestOutputHelper output)
{
    private const int Containers = 40;
    private const int Processes = 200;

    // Enough for each command to meet each other one some hundred times. What is rarer than that is for `make soak`, which goes on for minutes.
    private const int Rounds = 10;

    // What is not in the lists is a fault: 999 above all, and 100, as there are slices for all.
    private static readonly Dictionary<string, int[]> Expected = new()
    {
        // 11: a lock; 101: another container has the port; 102: it is there already, or half. No DEL comes before its end: that is no 107.
        ["ADD"] = [11, 101, 102],
        ["DEL"] = [11],

        // 106: it is not there, or in the middle of something; 7: it was never added, so there is no prevResult.
        ["CHECK"] = [7, 11, 106],
        ["GC"] = [11],

        // 3: it is not there; 11: somebody else is at it.
        ["update"] = [3, 11, 101],
        ["gc"] = [11],
    };

    [Fact]
    public async Task Two_hundred_at_once_never_share_a_port_and_leave_nothing()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("PORTMAP_STRESS_SEED"), NumberStyles.None, CultureInfo.InvariantCulture, out int given)
            ? given
            : Random.Shared.Next();
        output.WriteLine($"PORTMAP_STRESS_SEED={seed}");
        Random random = new(seed);

        // Each process has a thread that waits for it; the pool would grow to so many only slowly, and take the rest for hanging.
        ThreadPool.GetMinThreads(out int workers, out int ports);
        ThreadPool.SetMinThreads(Math.Max(workers, 2 * Processes), ports);
        using Bed bed = new(config => config.With("ephemeralPortsPerContainer", 128));
        Namespace[] containers = [.. Enumerable.Range(0, Containers).Select(_ => bed.Container())];
        int logged = 0;
        double minutes = double.TryParse(Environment.GetEnvironmentVariable("PORTMAP_STRESS_MINUTES"), CultureInfo.InvariantCulture, out double wanted) ? wanted : 0;
        Stopwatch watch = Stopwatch.StartNew();
        for (int round = 0; round < Rounds || watch.Elapsed.TotalMinutes < minutes; round++)
        {
            (string Kind, Task<(int Code, string Text)> Run)[] running =
                [.. Enumerable.Range(0, Processes).Select(_ => Choose(bed, containers, random))];
            logged += running.Count(one => one.Kind is not ("gc" or "update"));
            Task<(int Code, string Text)[]> all = Task.WhenAll(running.Select(one => one.Run));
            int looks = 0;
            while (!all.IsCompleted)
            {
                looks += Look(bed) ? 1 : 0;
                await Task.WhenAny(all, Task.Delay(20));
            }

            (string Kind, int Code, string Text)[] ended = [.. running.Zip(await all, (one, result) => (one.Kind, result.Code, result.Text))];
            Assert.True(Look(bed), "the store's lock is held after all have ended");
            output.WriteLine($"round {round}: {looks} looks; " + string.Join(
                ", ",
                ended.GroupBy(one => (one.Kind, one.Code)).OrderBy(one => one.Key).Select(one => $"{one.Key.Kind} {one.Key.Code}: {one.Count()}")));
            Console.WriteLine($"progress: stress: round {round}, {watch.Elapsed.TotalMinutes:0.0} min");
            foreach ((string kind, int code, string text) in ended)
            {
                Assert.True(code == 0 || Expected[kind].Contains(code), $"seed {seed}: {kind}: {text}");
            }
        }

        for (int n = 0; n < Containers; n++)
        {
            bed.Plugin.Del(containers[n], $"c{n}").Require();
        }

        bed.AssertClean();
        AssertWhole(File.ReadAllLines(bed.Config.LogFile!), logged + Containers);
    }

    private static (string Kind, Task<(int Code, string Text)> Run) Choose(Bed bed, Namespace[] containers, Random random)
    {
        int n = random.Next(Containers);
        string id = $"c{n}";

        // Three containers want the same port, now and then.
        NetworkConfig config = bed.Config.WithPorts(31000 + (n % 16));
        return random.Next(100) switch
        {
            < 35 => ("ADD", Task.Run(() => Outcome(bed.Plugin.Add(containers[n], id, config: config)))),
            < 60 => ("DEL", Task.Run(() => Outcome(bed.Plugin.Del(containers[n], id, config: config)))),
            < 75 => ("CHECK", Task.Run(() => Outcome(bed.Plugin.Check(containers[n], id, config: config)))),
            < 80 => ("GC", Task.Run(() => Outcome(bed.Plugin.Gc([(id, "eth0")])))),
            < 85 => ("gc", Task.Run(() => Outcome(bed.Plugin.CommandLine("gc")))),
            _ => ("update", Task.Run(() => Outcome(bed.Update(id, "--ports", $"{31000 + (n % 16)},{31100 + (n % 20)}")))),
        };
    }

    private static (int Code, string Text) Outcome(PluginResult result) => result.Succeeded ? (0, "") : (result.ErrorCode ?? -1, result.ToString());

    private static (int Code, string Text) Outcome(CommandResult result)
    {
        if (result.ExitCode == 0)
        {
            return (0, "");
        }

        // Where gc could not do one of many things it says why, without a code.
        int number = result.ErrorCode ?? (result.Error.Contains("gave up after", StringComparison.Ordinal) ? 11 : -1);
        return (number, $"exit code {result.ExitCode}: {result.Output} {result.Error}");
    }

    /// <summary>Looks at all records at one moment, under the store's lock; false where another has the lock, or there is no store yet.</summary>
    private static bool Look(Bed bed)
    {
        List<JsonObject> records = [];
        try
        {
            using FileStream turn = new(Path.Combine(bed.Store, "lock"), FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            records.AddRange(bed.Records.Select(path => JsonNode.Parse(File.ReadAllText(path))!.AsObject()));
        }
        catch (IOException)
        {
            return false;
        }

        (int Begin, int End)[] slices = [.. records.Select(one => Range(one["ports"]!["ephemeral"]!)).Order()];
        Assert.All(slices.Zip(slices.Skip(1)), pair => Assert.True(pair.First.End < pair.Second.Begin, $"slices overlap: {pair}"));
        Assert.Equal(records.Count, records.Select(one => (int)one["numbers"]!["slot"]!).Distinct().Count());
        foreach (string protocol in new[] { "tcp", "udp" })
        {
            // While its ports are being changed, a container owns those of both sides.
            IEnumerable<int> ports = records.SelectMany(one => Claims(one).Concat(one["change"] is JsonObject change ? Claims(change) : [])
                .Where(claim => (string)claim!["protocol"]! == protocol)
                .Select(claim => Range(claim!))
                .SelectMany(range => Enumerable.Range(range.Begin, range.End - range.Begin + 1))
                .Distinct());
            Assert.All(ports.GroupBy(port => port), port => Assert.True(port.Count() == 1, $"port {port.Key}/{protocol} has {port.Count()} owners"));
        }

        return true;
    }

    private static JsonArray Claims(JsonObject of) => (of["ports"]?["fixed"] ?? of["claims"])!.AsArray();

    private static (int Begin, int End) Range(JsonNode range) => ((int)range["begin"]!, (int)range["end"]!);

    /// <summary>Each line is one that a process wrote as a whole, and each process has told its end. An exception stands below the error that it is the cause of.</summary>
    private static void AssertWhole(string[] lines, int ended)
    {
        bool error = false;
        foreach (string line in lines)
        {
            if (Event().Match(line) is { Success: true } whole)
            {
                error = whole.Groups[1].Value == "ERR";
                Assert.Single(Stamp().Matches(line));
            }
            else
            {
                Assert.True(error && Cause().IsMatch(line), $"no whole line: {line}");
            }
        }

        Assert.Equal(ended, lines.Count(line => End().IsMatch(line)));
    }

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (INF|WRN|ERR) \[\d+\] \S.*$")]
    private static partial Regex Event();

    [GeneratedRegex(@"\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d [A-Z]{3} \[")]
    private static partial Regex Stamp();

    [GeneratedRegex(@"^(\w+\.)+\w*Exception\b.*: |^ *---> |^ *(at |--- )")]
    private static partial Regex Cause();

    [GeneratedRegex(@"\] (ADD|DEL|CHECK|GC) network=\S+ container=\S* ifname=\S* netns=\S* took \d+\.\d ms: (ok|failed with code \d+: .+)$")]
    private static partial Regex End();
}
