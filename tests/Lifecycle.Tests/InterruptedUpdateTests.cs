using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>
/// An update that is killed at any of the steps that others can see: the container owns the ports of both sides until somebody
/// tidies up, CHECK and the list tell, and every way on ends with nothing left. A second container keeps the shared tables.
/// </summary>
public sealed class InterruptedUpdateTests : IDisposable
{
    // Filters of the old ports and the new ones share a bucket, and one block is a part of another.
    private static readonly string[] Change = ["--ports", "31000-31001,31010", "--ingress-rate", "2MB", "--egress-rate", "1MB"];

    private readonly Bed _bed = new();
    private readonly Namespace _container;
    private readonly KernelState _alone;
    private readonly NetworkConfig _config;

    public InterruptedUpdateTests()
    {
        _bed.Added("n", 31500);
        _alone = Bed.Settled(_bed.Host);
        _container = _bed.Container();
        _config = _bed.Config.WithPorts(31000, 31005).With("ingressRateLimitPerContainer", "1MB");
    }

    public void Dispose() => _bed.Dispose();

    [Theory]
    [InlineData("sendto")]
    [InlineData("clone3")]
    [InlineData("rename")]
    [InlineData("setns")]
    public void DEL_leaves_nothing(string call) => AtEveryStep(call, () => Gone(() => { }));

    [Theory]
    [InlineData("sendto")]
    [InlineData("clone3")]
    [InlineData("rename")]
    [InlineData("setns")]
    public void CHECK_and_the_list_tell_and_DEL_leaves_nothing(string call) => AtEveryStep(call, () => Gone(() =>
    {
        Bed.Fails(_bed.Plugin.Check(_container, "c1", config: _config), 106, "a change that has begun and not ended");
        Assert.Contains("an update was interrupted", _bed.Listed("c1")["warnings"]!.ToJsonString(), StringComparison.Ordinal);
        foreach (int port in new[] { 31001, 31005, 31010 })
        {
            Bed.Fails(_bed.Plugin.Add(_bed.Container(), "x", config: _bed.Config.WithPorts(port)), 101, $"{port}", "c1");
        }
    }));

    [Theory]
    [InlineData("sendto")]
    [InlineData("clone3")]
    [InlineData("rename")]
    [InlineData("setns")]
    public void The_next_update_takes_it_back_and_works(string call) => AtEveryStep(call, () => Gone(() =>
    {
        _bed.Update("c1", "--ports", "31000,31001,31011").Require();
        _bed.Plugin.Check(_container, "c1", config: _config).Require();
        Assert.Equal("31000-31001/tcp 31011/tcp 31000-31001/udp 31011/udp", Bed.Ports(_bed.Record("c1")));
        Assert.Equal((1 << 20, null), ((int)_bed.Record("c1")["limits"]!["ingress"]!["rate"]!, _bed.Record("c1")["limits"]!["egress"]));
        Assert.DoesNotContain("htb", _container.Tc("qdisc show dev eth0"), StringComparison.Ordinal);
        _bed.Update("c1", "--ports", "31005").Require();
    }));

    [Theory]
    [InlineData("sendto")]
    [InlineData("clone3")]
    public void A_record_that_is_lost_as_well_is_rebuilt_and_DEL_leaves_nothing(string call) => AtEveryStep(call, () => Gone(() =>
    {
        File.WriteAllText(_bed.RecordPath("c1"), "");
        _bed.Plugin.Del(_bed.Container(), "nobody").Require();
        Namespace other = _bed.Added("c2", 31020);
        _bed.Plugin.Del(other, "c2").Require();
        Assert.True((bool)_bed.Record("c1")["rebuilt"]!);
    }));

    [Fact]
    public async Task Two_updates_at_once_do_not_both_take_it_back()
    {
        for (int round = 0; round < 15; round++)
        {
            Add();
            Assert.NotEqual(0, Killed("sendto", 9).ExitCode);
            Assert.NotNull(_bed.Record("c1")["change"]);
            CommandResult[] results = await Task.WhenAll(
                _bed.Plugin.CommandLineAsync("update", "c1", "--ports", "31000-31001"), _bed.Plugin.CommandLineAsync("update", "c1", "--ports", "31005-31007"));
            Assert.Contains(results, result => result.ExitCode == 0);
            Assert.All(results, result => Assert.True(result.ExitCode == 0 || result.Error.Contains("error 11", StringComparison.Ordinal), result.ToString()));
            _bed.Plugin.Check(_container, "c1", config: _config).Require();
            Gone(() => { });
        }
    }

    /// <summary>Kills the update before its first such call, its second, and so on until it lives through all that it makes.</summary>
    private void AtEveryStep(string call, Action then)
    {
        int interrupted = 0;
        Add();
        for (int step = 1; Killed(call, step) is { ExitCode: not 0 }; step++)
        {
            Assert.True(step < 40, $"{call} {step}");
            if (_bed.Record("c1")["change"] is null)
            {
                // It had not begun, or had nothing left to do but to print.
                _bed.Plugin.Check(_container, "c1", config: _config).Require();
                continue;
            }

            interrupted++;
            try
            {
                then();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"killed at {call} {step}: {e.Message}", e);
            }

            Add();
        }

        Assert.True(interrupted > 0, $"no {call} was made in the middle of the update");
        Gone(() => { });
    }

    private void Add() => _bed.Plugin.Add(_container, "c1", config: _config).Require();

    private CommandResult Killed(string call, int step) => _bed.Host.Execute(
        "strace",
        ["-f", "-o", "/dev/null", "-e", $"trace={call}", "-e", $"inject={call}:signal=KILL:when={step}", _bed.Plugin.Binary, "update", "c1", .. Change, "--state-dir", _bed.Store]);

    private void Gone(Action before)
    {
        before();
        _bed.Plugin.Del(_container, "c1").Require();
        Bed.Unchanged(_alone, _bed.Host);
        Assert.Single(_bed.Records);
    }
}
