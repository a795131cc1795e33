using System.Text;
using Xunit.Abstractions;

namespace CniIsolator.Fuzz.Tests;

/// <summary>A million inputs that are the same each time. `make fuzz` takes others.</summary>
public sealed class CampaignTests(ITestOutputHelper output)
{
    private const int Seed = 20261121;

    [Fact]
    public void A_million_inputs_to_the_readers()
    {
        var campaign = new Campaign(Seed, Targets.Readers);
        campaign.Run(1_000_000);
        Report(campaign);
        Assert.True(campaign.Tried > 1_000_000);
    }

    [Fact]
    public void Two_thousand_inputs_to_the_program()
    {
        var campaign = new Campaign(Seed, [new ProgramTarget()]);
        campaign.Run(2000);
        Report(campaign);
        Assert.True(campaign.Tried > 2000);
    }

    [Fact]
    public void A_broken_promise_is_found_and_can_be_seen_again()
    {
        var campaign = new Campaign(1, [new Fragile()]);
        campaign.Run(100_000);
        var finding = Assert.IsType<Finding>(campaign.Findings.FirstOrDefault());
        Assert.Contains("nobody foresaw: System.IndexOutOfRangeException", finding.What);

        var again = new Campaign(1, [new Fragile()]);
        again.TryNumber(finding.Number);
        Assert.Equal(finding.Input, Assert.Single(again.Findings).Input);
    }

    [Theory]
    [InlineData("memory")]
    [InlineData("time")]
    public void What_costs_too_much_is_found(string what)
    {
        var campaign = new Campaign(1, [new Costly(what)]);
        campaign.Run(1);
        Assert.Contains("the limit is 1000.0 ms of processor time, 64.0 MB allocated", Assert.Single(campaign.Findings).What);
    }

    private void Report(Campaign campaign)
    {
        output.WriteLine($"{campaign.Tried} inputs, the dearest took {campaign.Dearest}");
        Assert.True(
            campaign.Findings.Count == 0,
            string.Join('\n', campaign.Findings.Select(f => $"make fuzz FUZZ=\"--seed {Seed} --number {f.Number}{(f.Target is ProgramTarget ? " --target program" : "")}\" ({f.Target.Name}): {f.What}\n{Encoding.UTF8.GetString(f.Input)}")));
    }

    /// <summary>Breaks on a comma behind a quote.</summary>
    private sealed class Fragile : Target
    {
        public override string Name => "fragile";

        public override int Weight => 1;

        public override IReadOnlyList<byte[]> Seeds { get; } = ["{\"a\":1}"u8.ToArray()];

        public override IReadOnlyList<string> Words { get; } = ["x"];

        public override void Try(byte[] input, Random random)
        {
            if (input.AsSpan().IndexOf("\","u8) >= 0)
            {
                _ = input[input.Length];
            }
        }
    }

    private sealed class Costly(string what) : Target
    {
        public override string Name => "costly";

        public override int Weight => 1;

        public override IReadOnlyList<byte[]> Seeds => [];

        public override IReadOnlyList<string> Words => [];

        public override void Try(byte[] input, Random random)
        {
            if (what == "memory")
            {
                GC.KeepAlive(new byte[65 << 20]);
            }
            else
            {
                var begin = Cost.Now;
                while (Cost.Now.Since(begin).ProcessorTime <= Cost.Limit.ProcessorTime)
                {
                }
            }
        }
    }
}
