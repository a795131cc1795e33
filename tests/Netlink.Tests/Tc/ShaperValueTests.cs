using System.Numerics;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Netlink.Tests.Tc;

/// <summary>Arithmetic and text of shapers, without a kernel.</summary>
public class ShaperValueTests
{
    [Theory]
    [InlineData(0, 125_000, 0)]
    [InlineData(1, 125_000, 125)] // 8 us
    [InlineData(12_500, 125_000, 1_562_500)] // 0.1 s
    [InlineData(1, 15_625_000, 1)] // 64 ns
    [InlineData(1, 15_625_001, 0)] // a little less: cut, not rounded
    [InlineData(12_500_000, 12_500_000_000, 15_625)] // 1 ms at 100 Gbit/s
    [InlineData(274, 1, 4_281_250_000)] // 274 s
    [InlineData(275, 1, uint.MaxValue)] // more than 2^32 ticks, 274.9 s
    [InlineData(ulong.MaxValue, 1, uint.MaxValue)]
    [InlineData(ulong.MaxValue, ulong.MaxValue, 15_625_000)]
    [InlineData(1, ulong.MaxValue, 0)]
    [InlineData(1, 0, 15_625_000)] // as 1 B/s: no class has a rate of 0
    public void Ticks_for_bytes_at_a_rate(ulong bytes, ulong rate, uint ticks) => Assert.Equal(ticks, HtbClass.TicksFor(bytes, rate));

    [Fact]
    public void Ticks_are_exact_and_saturate_and_grow_with_bytes_and_shrink_with_the_rate()
    {
        var random = new Random(20260103);
        for (var round = 0; round < 100_000; round++)
        {
            var (bytes, rate) = (AnyMagnitude(random), Math.Max(1, AnyMagnitude(random)));
            var ticks = HtbClass.TicksFor(bytes, rate);

            var exact = new BigInteger(bytes) * 1_000_000_000 / (new BigInteger(rate) * 64);
            Assert.Equal(BigInteger.Min(exact, uint.MaxValue), ticks);

            var more = bytes + Math.Min(AnyMagnitude(random), ulong.MaxValue - bytes);
            Assert.True(HtbClass.TicksFor(more, rate) >= ticks, $"{bytes} and {more} bytes at {rate} B/s");
            var faster = rate + Math.Min(AnyMagnitude(random), ulong.MaxValue - rate);
            Assert.True(HtbClass.TicksFor(bytes, faster) <= ticks, $"{bytes} bytes at {rate} and {faster} B/s");
        }
    }

    [Theory]
    [InlineData(0x00010000, "1:")]
    [InlineData(0x00010001, "1:1")]
    [InlineData(0x706d0003, "706d:3")]
    [InlineData(0x706d0000, "706d:")]
    [InlineData(0x000100ff, "1:ff")]
    [InlineData(0, "0:")]
    [InlineData(0x0000ffff, "0:ffff")]
    [InlineData(TcHandle.ClsactHandle, "ffff:")]
    [InlineData(TcHandle.ClsactParent, "ffff:fff1")]
    [InlineData(TcHandle.Root, "root")]
    public void Handles_read_as_tc_writes_them(uint handle, string text) => Assert.Equal(text, TcHandle.Format(handle));

    [Fact]
    public void Equal_text_means_equal_effect()
    {
        var node = new U32Node(new FilterAttachment(7, 0x10000, 10, EthernetProtocol.All), new U32Handle(0, 0, 1), [U32Key.Any]);
        Assert.EndsWith(" accept", node.ToString(), StringComparison.Ordinal);
        Assert.EndsWith(" class 706d:3", (node with { Class = 0x706d0003 }).ToString(), StringComparison.Ordinal);

        var wanted = new HtbClass(0x10001, 0x10000, 1, 2, 3, 4, 5);
        Assert.NotEqual(wanted.ToString(), (wanted with { Rate = 2 }).ToString());
        Assert.NotEqual(new HtbSettings(1, 0).ToString(), new HtbSettings(1, 1).ToString());
    }

    private static ulong AnyMagnitude(Random random) => (ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64);
}
