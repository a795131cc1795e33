using CniIsolator.Testbed;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Several that reap at once, and one that is killed in the midst of it.</summary>
public sealed class ReapRaceTests : IDisposable
{
    private const int Slices = 5;
    private const string DoomedGroup = "0x706d6721";

    private readonly List<SafeFileHandle> _held = [];
    private readonly Bed _bed = new(config => config.With("ephemeralPortsPerContainer", 128) with { EphemeralPorts = "16384-17023" });

    public void Dispose()
    {
        _held.ForEach(handle => handle.Dispose());
        _bed.Dispose();
    }

    [Fact]
    public async Task Of_two_gcs_and_ADDs_on_a_pool_that_is_full_of_the_dead_all_succeed_or_may_try_again()
    {
        for (int round = 0; round < 20; round++)
        {
            for (int n = 0; n < Slices; n++)
            {
                // Of one the interface is gone, of the next it is still there.
                Abandon(_bed.Added($"r{round}-{n}"), held: n % 2 == 0);
            }

            (string Id, Namespace Place)[] added = [.. Enumerable.Range(0, 2).Select(n => ($"r{round}-new{n}", _bed.Container()))];
            Task<CommandResult>[] gcs = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() => _bed.Plugin.CommandLineAsync("gc")))];
            Task<PluginResult> collection = Task.Run(() => _bed.Plugin.Gc([]));
            Task<PluginResult>[] adds = [.. added.Select(one => Task.Run(() => _bed.Plugin.Add(one.Place, one.Id)))];
            foreach (CommandResult gc in await Task.WhenAll(gcs))
            {
                Assert.True(gc.ExitCode == 0 || gc.Error.Contains("error 11", StringComparison.Ordinal), $"round {round}: {gc}");
            }

            PluginResult collected = await collection;
            Assert.True(collected.Succeeded || collected.ErrorCode == 11, $"round {round}: {collected}");
            PluginResult[] results = await Task.WhenAll(adds);
            for (int n = 0; n < added.Length; n++)
            {
                Assert.True(results[n].Succeeded || results[n].ErrorCode == 11, $"round {round}: {results[n]}");
                if (!results[n].Succeeded)
                {
                    _bed.Plugin.Add(added[n].Place, added[n].Id).Require();
                }
            }

            (int Begin, int End)[] slices = [.. added.Select(one => _bed.Slice(one.Id)).Order()];
            Assert.True(slices[0].End < slices[1].Begin, $"round {round}: {slices[0]} {slices[1]}");
            foreach ((string id, Namespace place) in added)
            {
                _bed.Plugin.Check(place, id).Require();
                _bed.Plugin.Del(place, id).Require();
            }

            _bed.Plugin.CommandLine("gc").Require();
            _bed.AssertClean();
        }
    }

    [Fact]
    public void A_gc_that_is_killed_at_any_step_is_ended_by_the_next_and_nothing_alive_is_touched()
    {
        Namespace alive = _bed.Added("alive");
        _bed.Host.Ip("link add keep0 type veth peer name keep1");
        int marked = 0;
        int made = 0;
        int killed = 0;
        for (int step = 1; killed >= 0; step++)
        {
            Assert.True(step < 100, $"{step}");
            while (_bed.Records.Length < Slices)
            {
                Abandon(_bed.Added($"c{made++}"), held: true);
            }

            CommandResult result = _bed.Host.Execute(
                "strace", "-f", "-o", "/dev/null", "-e", "trace=sendto", "-e", $"inject=sendto:signal=KILL:when={step}", _bed.Plugin.Binary, "gc", "--state-dir", _bed.Store);
            killed = result.ExitCode == 0 ? -1 : killed + 1;
            marked += _bed.Host.Ip($"-o link show group {DoomedGroup}").Length > 0 ? 1 : 0;
            Assert.Equal(0, _bed.Plugin.CommandLine("gc").ExitCode);
            Assert.Single(_bed.Records);
            Assert.Equal("", _bed.Host.Ip($"-o link show group {DoomedGroup}"));
            Bed.Says(_bed.Host.Ip("-o link show"), "keep0", _bed.HostInterface("alive"));
            _bed.Plugin.Check(alive, "alive").Require();
        }

        Assert.NotEqual(0, marked);
        _bed.Host.Ip("link del keep0");
        _bed.Plugin.Del(alive, "alive").Require();
        _bed.AssertClean();
    }

    private void Abandon(Namespace container, bool held)
    {
        if (held)
        {
            _held.Add(File.OpenHandle(container.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        }

        container.Dispose();
    }
}
