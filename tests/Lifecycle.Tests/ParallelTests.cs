using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Many processes at once, as a runtime that starts a whole host starts them.</summary>
public sealed class ParallelTests
{
    private const int Many = 50;

    [Fact]
    public async Task Fifty_come_together_and_fifty_go_together()
    {
        using Bed bed = new(config => config.With("ephemeralPortsPerContainer", 128));
        Namespace[] containers = [.. Enumerable.Range(0, Many).Select(_ => bed.Container())];
        PluginResult[] added = await Task.WhenAll(containers.Select((container, index) => Task.Run(() =>
            bed.Plugin.Add(container, $"c{index}", config: bed.Config.WithPorts(31000 + index)))));
        Assert.All(added, result => Assert.True(result.Succeeded, result.ToString()));
        Assert.Equal(Many, bed.Records.Length);
        (int Begin, int End)[] slices = [.. Enumerable.Range(0, Many).Select(index => bed.Slice($"c{index}")).Order()];
        Assert.All(slices.Zip(slices.Skip(1)), pair => Assert.True(pair.First.End < pair.Second.Begin, pair.ToString()));
        Assert.Equal(Many, Enumerable.Range(0, Many).Select(index => (int)bed.Record($"c{index}")["numbers"]!["slot"]!).Distinct().Count());
        foreach (int index in new[] { 0, 17, Many - 1 })
        {
            bed.Plugin.Check(containers[index], $"c{index}").Require();
            await bed.AssertReachableAsync(containers[index], 31000 + index);
        }

        PluginResult[] gone = await Task.WhenAll(containers.Select((container, index) => Task.Run(() => bed.Plugin.Del(container, $"c{index}"))));
        Assert.All(gone, result => Assert.True(result.Succeeded, result.ToString()));
        bed.AssertClean();
        AssertWhole(File.ReadAllLines(bed.Config.LogFile!), 2 * Many);
    }

    [Fact]
    public async Task Sixty_four_at_once_leave_whole_lines_in_the_log()
    {
        using Bed bed = new();
        PluginResult[] results = await Task.WhenAll(Enumerable.Range(0, 64).Select(index => Task.Run(() => bed.Plugin.Del(null, $"c{index}"))));
        Assert.All(results, result => Assert.True(result.Succeeded, result.ToString()));
        string[] lines = File.ReadAllLines(bed.Config.LogFile!);
        AssertWhole(lines, 64);
        Assert.All(Enumerable.Range(0, 64), index => Assert.Single(lines, line => line.Contains($"container=c{index} ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task The_last_DELs_may_race_the_first_ADDs()
    {
        using Bed bed = new(config => config.With("ephemeralPortsPerContainer", 128));
        Dictionary<string, Namespace> old = [];
        for (int round = 0; round < 20; round++)
        {
            Dictionary<string, Namespace> next = new() { [$"r{round}a"] = bed.Container(), [$"r{round}b"] = bed.Container() };
            int first = 31000 + (round * 2);
            Task<PluginResult>[] adding = [.. next.Select((one, index) => Task.Run(() => bed.Plugin.Add(one.Value, one.Key, config: bed.Config.WithPorts(first + index))))];
            Task<PluginResult>[] removing = [.. old.Select(one => Task.Run(() => bed.Plugin.Del(one.Value, one.Key)))];
            Assert.All(await Task.WhenAll(removing), result => Assert.True(result.Succeeded, result.ToString()));
            PluginResult[] results = await Task.WhenAll(adding);
            foreach (((string id, Namespace container), int index) in next.Select((one, index) => ((one.Key, one.Value), index)))
            {
                PluginResult result = results[index];
                if (!result.Succeeded)
                {
                    Assert.True(result.ErrorCode is 11 or 107, result.ToString());
                    bed.Plugin.Add(container, id, config: bed.Config.WithPorts(first + index)).Require();
                }

                bed.Plugin.Check(container, id).Require();
                await bed.AssertReachableAsync(container, first + index);
            }

            foreach (Namespace gone in old.Values)
            {
                gone.Dispose();
            }

            old = next;
        }

        foreach ((string id, Namespace container) in old)
        {
            bed.Plugin.Del(container, id).Require();
        }

        bed.AssertClean();
    }

    [Fact]
    public async Task Of_many_that_want_one_port_exactly_one_gets_it()
    {
        using Bed bed = new();
        Namespace[] containers = [.. Enumerable.Range(0, 6).Select(_ => bed.Container())];
        PluginResult[] results = await Task.WhenAll(containers.Select((container, index) => Task.Run(() =>
            bed.Plugin.Add(container, $"c{index}", config: bed.Config.WithPorts(31005)))));
        int winner = Array.FindIndex(results, result => result.Succeeded);
        Assert.Single(results, result => result.Succeeded);
        Assert.All(results.Where(result => !result.Succeeded), result => Bed.Fails(result, 101, "31005", $"c{winner}"));
        await bed.AssertReachableAsync(containers[winner], 31005);
        bed.Plugin.Del(containers[winner], $"c{winner}").Require();
        bed.AssertClean();
    }

    private static void AssertWhole(string[] lines, int least)
    {
        Assert.True(lines.Length >= least, $"{lines.Length} lines");
        Assert.All(lines, line => Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d [A-Z]{3} \[\d+\] \S", line));
    }
}
