namespace CniIsolator.Ipam.Tests;

public class SliceAllocatorTests
{
    [Theory]
    [InlineData("30001-30999", 16, 61, "30016-30031")]
    [InlineData("30001-30999", 512, 1, "30208-30719")]
    [InlineData("30001-30999", 1024, 0, null)]
    [InlineData("32768-57343", 512, 48, "32768-33279")]
    [InlineData("32768-57343", 1024, 24, "32768-33791")]
    [InlineData("0-65535", 65536, 1, "0-65535")]
    [InlineData("0-65535", 16, 4096, "0-15")]
    [InlineData("0-15", 16, 1, "0-15")]
    [InlineData("65520-65535", 16, 1, "65520-65535")]
    [InlineData("65521-65535", 16, 0, null)]
    [InlineData("1-65535", 65536, 0, null)]
    [InlineData("", 16, 0, null)]
    public void Pools_hold_the_known_number_of_slices(string pool, int size, int count, string? first)
    {
        var ports = PortSet.Parse(pool);
        Assert.Equal(count, SliceAllocator.Capacity(ports, [], size).Total);
        var owned = new List<PortRange>();
        while (SliceAllocator.Allocate(ports, size, owned, PortSet.Empty, FreedSlices.Empty, regularSize: size) is { } slice)
        {
            owned.Add(slice);
        }

        Assert.Equal(count, owned.Count);
        Assert.Equal(first, owned.Count == 0 ? null : owned[0].ToString());
        // All slices of one size, nothing freed: first fit.
        Assert.Equal(owned.Order().Distinct(), owned);
        Assert.Equal(0, SliceAllocator.Capacity(ports, owned, size).Free);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(24)]
    [InlineData(131072)]
    [InlineData(-16)]
    [InlineData(int.MinValue)]
    public void Refuses_sizes_that_are_not_a_power_of_two_from_16(int size)
    {
        Assert.False(SliceAllocator.IsValidSize(size));
        Assert.Throws<ArgumentOutOfRangeException>(() => Allocate(PortSet.Parse("0-65535"), size, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => SliceAllocator.Capacity(PortSet.Parse("0-65535"), [], size));
    }

    [Fact]
    public void Small_slices_fill_broken_blocks_and_leave_whole_ones()
    {
        var pool = PortSet.Parse("32768-36863"); // four times 1024
        var owned = new List<PortRange> { PortRange.Parse("32768-33791"), PortRange.Parse("35840-35855") };
        Assert.Equal("35856-35871", Allocate(pool, 16, owned).ToString());
        Assert.Equal("36352-36863", Allocate(pool, 512, owned).ToString());
        Assert.Equal("33792-34815", Allocate(pool, 1024, owned).ToString());
    }

    [Fact]
    public void A_listening_port_costs_its_slice_and_no_other()
    {
        var pool = PortSet.Parse("32768-34815");
        var listening = PortSet.FromPorts(33000);
        Assert.Equal("33792-34815", SliceAllocator.Allocate(pool, 1024, [], listening, FreedSlices.Empty).ToString());
        Assert.Equal(new SliceCapacity(2, 1, 1024), SliceAllocator.Capacity(pool, [], 1024, listening));
        Assert.Null(SliceAllocator.Allocate(pool, 2048, [], listening, FreedSlices.Empty));
    }

    [Fact]
    public void A_freed_slice_comes_back_last_and_the_oldest_first()
    {
        var pool = PortSet.Parse("32768-32831"); // four times 16
        var freed = FreedSlices.From([PortRange.Parse("32784-32799"), PortRange.Parse("32768-32783"), PortRange.Parse("32816-32831")]);
        var owned = new List<PortRange>();
        var order = new List<int>();
        while (SliceAllocator.Allocate(pool, 16, owned, PortSet.Empty, freed) is { } slice)
        {
            owned.Add(slice);
            order.Add(slice.Begin);
        }

        Assert.Equal([32800, 32784, 32768, 32816], order);
    }

    [Fact]
    public void A_slice_freed_again_becomes_the_latest()
    {
        var a = PortRange.Parse("32768-32783");
        var b = PortRange.Parse("32784-32799");
        Assert.Equal<PortRange>([b, a], FreedSlices.From([a, b, a]).Ranges.ToArray());
        var whole = PortRange.Parse("32768-32799");
        Assert.Equal<PortRange>([whole], FreedSlices.From([a, b, whole]).Ranges.ToArray());
        Assert.Equal<PortRange>([whole, b], FreedSlices.From([whole, b]).Ranges.ToArray());
    }

    [Fact]
    public void Capacity_counts_what_is_left()
    {
        var pool = PortSet.Parse("30001-30999");
        Assert.Equal(new SliceCapacity(61, 61, 512), SliceAllocator.Capacity(pool, [], 16));
        Assert.Equal(
            new SliceCapacity(61, 29, 256),
            SliceAllocator.Capacity(pool, [PortRange.Parse("30208-30719"), PortRange.Parse("100-200")], 16));
        Assert.Equal(new SliceCapacity(0, 0, 0), SliceAllocator.Capacity(PortSet.Empty, [], 16));
    }

    /// <summary>Random histories of taking and giving back, each choice compared with one found by trying everything.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Agrees_with_brute_force(int seed)
    {
#pragma warning disable CA5394 // Reproducible, not secret.
        var random = new Random(seed);
        for (var history = 0; history < 12; history++)
        {
            var pool = RandomPool(random);
            var unusable = PortSet.FromPorts(Enumerable.Range(0, random.Next(4)).Select(_ => RandomPort(random, pool)));
            var owned = new List<PortRange>();
            var freed = FreedSlices.Empty;
            var regular = 16 << random.Next(8);
            for (var step = 0; step < 60; step++)
            {
                if (owned.Count > 0 && random.Next(5) < 2)
                {
                    var given = owned[random.Next(owned.Count)];
                    owned.Remove(given);
                    freed = freed.Append(given);
                    continue;
                }

                var size = 16 << random.Next(6);
                var free = FreePorts(pool, owned, unusable);
                var expected = BruteForce(free, size, freed, regular);
                var slice = SliceAllocator.Allocate(pool, size, owned, unusable, freed, regular);
                Assert.Equal(expected, slice);
                Assert.Equal(Slices(free, size).Count(), SliceAllocator.Capacity(pool, owned, size, unusable).Free);
                if (slice is not { } taken)
                {
                    continue;
                }

                Assert.True(taken.IsAlignedPowerOfTwo);
                Assert.Equal(size, taken.Count);
                Assert.True(pool.Contains(taken));
                Assert.False(unusable.Overlaps(taken));
                Assert.DoesNotContain(owned, taken.Overlaps);
                if (freed.Ranges.Any(taken.Overlaps))
                {
                    Assert.All(Slices(free, size), s => Assert.Contains(freed.Ranges, s.Overlaps));
                }

                owned.Add(taken);
            }
        }
#pragma warning restore CA5394
    }

    private static PortRange? Allocate(PortSet pool, int size, IReadOnlyList<PortRange> owned) =>
        SliceAllocator.Allocate(pool, size, owned, PortSet.Empty, FreedSlices.Empty);

#pragma warning disable CA5394
    private static PortSet RandomPool(Random random) => random.Next(6) switch
    {
        0 => PortSet.From(new PortRange(0, (ushort)random.Next(100, 3000))),
        1 => PortSet.From(new PortRange((ushort)random.Next(62000, 65400), 65535)),
        2 => PortSet.Parse("0-700,64800-65535"),
        _ => PortSet.From(Enumerable.Range(0, random.Next(1, 4)).Select(_ =>
        {
            var begin = random.Next(40000, 44000);
            return new PortRange((ushort)begin, (ushort)(begin + random.Next(1500)));
        })),
    };

    private static ushort RandomPort(Random random, PortSet pool)
    {
        var range = pool.Ranges[random.Next(pool.Ranges.Length)];
        return (ushort)random.Next(range.Begin, range.End + 1);
    }
#pragma warning restore CA5394

    private static bool[] FreePorts(PortSet pool, List<PortRange> owned, PortSet unusable)
    {
        var free = new bool[65536];
        foreach (var range in pool.Ranges)
        {
            Array.Fill(free, true, range.Begin, range.Count);
        }

        foreach (var range in owned.Concat(unusable.Ranges))
        {
            Array.Fill(free, false, range.Begin, range.Count);
        }

        return free;
    }

    private static bool IsFree(bool[] free, int begin, int size) => !free.AsSpan(begin, size).Contains(false);

    private static IEnumerable<PortRange> Slices(bool[] free, int size) =>
        from i in Enumerable.Range(0, 65536 / size)
        where IsFree(free, i * size, size)
        select new PortRange((ushort)(i * size), (ushort)(i * size + size - 1));

    private static PortRange? BruteForce(bool[] free, int size, FreedSlices freed, int regular) =>
        Slices(free, size)
            .OrderBy(s => freed.Ranges.Select((r, i) => r.Overlaps(s) ? i : -1).DefaultIfEmpty(-1).Max())
            .ThenBy(s =>
            {
                var block = size;
                while (block < 65536 && IsFree(free, s.Begin / (block * 2) * (block * 2), block * 2))
                {
                    block *= 2;
                }

                return Math.Min(block, regular);
            })
            .ThenBy(s => s.Begin)
            .Select(s => (PortRange?)s)
            .FirstOrDefault();
}
