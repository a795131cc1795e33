using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Updates beside each other and beside DEL: one wins, the others say so, and nothing is left.</summary>
public sealed class UpdateRaceTests
{
    // Many blocks, so that there is time to get into each other's way.
    private static readonly string Scattered = string.Join(',', Enumerable.Range(0, 150).Select(n => 31201 + (2 * n)));

    [Fact]
    public async Task Of_eight_at_once_each_succeeds_or_says_that_it_was_not_the_time()
    {
        using Bed bed = new();
        bed.Added("n", 31500);
        KernelState alone = Bed.Settled(bed.Host);
        Namespace container = bed.Added("c1", 31000);
        string[] wanted = [.. Enumerable.Range(0, 8).Select(n => $"{31000 + n}-{31007 + n}/tcp,{31100 + n}/udp")];
        for (int round = 0; round < 5; round++)
        {
            CommandResult[] results = await Task.WhenAll(wanted.Select(ports => bed.Plugin.CommandLineAsync("update", "c1", "--ports", ports)));
            AssertSuccessOr(results, "error 11");
            string owned = Bed.Ports(bed.Record("c1")).Replace(' ', ',');
            Assert.Contains(owned, wanted.Zip(results).Where(one => one.Second.ExitCode == 0).Select(one => one.First));
            Assert.Null(bed.Record("c1")["change"]);
            bed.Plugin.Check(container, "c1").Require();
        }

        bed.Plugin.Del(container, "c1").Require();
        Bed.Unchanged(alone, bed.Host);
    }

    [Fact]
    public async Task Two_containers_that_want_one_port_never_both_have_it()
    {
        using Bed bed = new();
        Namespace[] containers = [bed.Added("c0", 31000), bed.Added("c1", 31001), bed.Added("c2", 31002), bed.Added("c3", 31003)];
        CommandResult[] results = await Task.WhenAll(containers.Select((_, n) => bed.Plugin.CommandLineAsync("update", $"c{n}", "--ports", $"3100{n},31010-31020")));
        Assert.Single(results, result => result.ExitCode == 0);
        Assert.All(results.Where(result => result.ExitCode != 0), result => Bed.Refused(result, 1, "error 101", "31010"));
        for (int n = 0; n < containers.Length; n++)
        {
            bed.Plugin.Check(containers[n], $"c{n}").Require();
            bed.Plugin.Del(containers[n], $"c{n}").Require();
        }

        bed.AssertClean();
    }

    [Fact]
    public async Task DEL_beside_updates_always_gets_through_and_leaves_nothing()
    {
        using Bed bed = new();

        // With the last container the shared tables would go, and whatever had leaked in them.
        Namespace neighbour = bed.Added("n", 31000);
        KernelState alone = Bed.Settled(bed.Host);
        Namespace container = bed.Container();
        for (int round = 0; round < 30; round++)
        {
            bed.Plugin.Add(container, "c1", config: bed.Config.WithPorts(31100)).Require();
            Task<CommandResult>[] updates = [.. new[] { Scattered, "31100-31131", "none", Scattered }.Select(ports => Update(bed, ports))];
            PluginResult deleted = await Task.Run(() => bed.Plugin.Del(container, "c1"));
            Assert.True(deleted.Succeeded, deleted.ToString());
            AssertSuccessOr(await Task.WhenAll(updates), "error 11", "error 3");
            Assert.Single(bed.Records);
        }

        Bed.Unchanged(alone, bed.Host);
        bed.Plugin.Check(neighbour, "n").Require();
        bed.Plugin.Del(neighbour, "n").Require();
        bed.AssertClean();
    }

    private static Task<CommandResult> Update(Bed bed, string ports) => bed.Plugin.CommandLineAsync("update", "c1", "--ports", ports, "--ingress-rate", "5MB");

    private static void AssertSuccessOr(CommandResult[] results, params string[] errors) => Assert.All(results, result => Assert.True(
        result.ExitCode == 0 || (result.ExitCode == 1 && errors.Any(error => result.Error.Contains(error + ":", StringComparison.Ordinal))), result.ToString()));
}
