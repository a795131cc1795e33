using System.Collections;
using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Ipam.Tests;

public class PortSetTests
{
    [Theory]
    [InlineData("31000-32000", "31000/fff8 31008/ffe0 31040/ffc0 31104/ff80 31232/fe00 31744/ff00 32000/ffff")]
    [InlineData("31000-31499", "31000/fff8 31008/ffe0 31040/ffc0 31104/ff80 31232/ff00 31488/fff8 31496/fffc")]
    [InlineData("4-8", "4/fffc 8/ffff")]
    [InlineData("31000-31009", "31000/fff8 31008/fffe")]
    [InlineData("1024-1031", "1024/fff8")]
    [InlineData("20", "20/ffff")]
    [InlineData("0", "0/ffff")]
    [InlineData("65535", "65535/ffff")]
    [InlineData("0-65535", "0/0000")]
    [InlineData("0-1", "0/fffe")]
    [InlineData("65534-65535", "65534/fffe")]
    [InlineData("", "")]
    public void Decomposes_into_keys_and_masks(string ports, string expected) =>
        Assert.Equal(expected, string.Join(' ', PortSet.Parse(ports).Decompose().Select(r => $"{r.Begin}/{r.Mask:x4}")));

    [Theory]
    [InlineData("31000-32000", 7)]
    [InlineData("31500-32000", 7)]
    [InlineData("30001-30999", 10)]
    [InlineData("1-65534", 30)]
    public void Decomposes_into_the_known_number_of_ranges(string ports, int count) =>
        Assert.Equal(count, PortSet.Parse(ports).Decompose().Count());

    [Fact]
    public void Merges_neighbours_before_decomposing() =>
        Assert.Equal(7, PortSet.Parse("31500-32000,31000-31499").Decompose().Count());

    [Theory]
    [InlineData("0-65535")]
    [InlineData("0,65535")]
    [InlineData("1-65534")]
    [InlineData("31005")]
    public void Formats_as_it_was_written(string text) => Assert.Equal(text, PortSet.Parse(text).ToString());

    [Theory]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("65536")]
    [InlineData("2-1")]
    [InlineData("1-")]
    [InlineData("1--2")]
    [InlineData("1-2-3")]
    [InlineData("0x10")]
    [InlineData("1 2")]
    [InlineData("1,")]
    [InlineData("١")]
    public void Refuses_what_is_not_a_set_of_ports(string text) => Assert.Throws<FormatException>(() => PortSet.Parse(text));

    [Fact]
    public void Counts_and_contains_both_ends_of_the_port_space()
    {
        var all = PortSet.Parse("0-65535");
        Assert.Equal(65536, all.Count);
        Assert.True(all.Contains(0));
        Assert.True(all.Contains(65535));
        Assert.False(all.Contains(-1));
        Assert.False(all.Contains(65536));
        Assert.Equal("1-65534", all.Subtract(PortSet.Parse("0,65535")).ToString());
        Assert.Equal(all, PortSet.Parse("1-65534").Union(PortSet.FromPorts(0, 65535)));
    }

    [Fact]
    public void Decomposition_covers_exactly_with_aligned_ranges_that_cannot_be_merged() =>
        Prop.ForAll(Ports.Sets.ToArbitrary(), set =>
        {
            var blocks = set.Decompose().ToList();
            return blocks.All(b => b.IsAlignedPowerOfTwo)
                && blocks.Sum(b => b.Count) == set.Count
                && PortSet.From(blocks).Equals(set)
                // Fewest: no two neighbours are the halves of one aligned range.
                && blocks.Zip(blocks.Skip(1)).All(p => p.First.Count != p.Second.Count
                    || p.First.End + 1 != p.Second.Begin
                    || p.First.Begin % (2 * p.First.Count) != 0);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Text_round_trips() =>
        Prop.ForAll(Ports.Sets.ToArbitrary(), set => PortSet.Parse(set.ToString()).Equals(set)).QuickCheckThrowOnFailure();

    [Fact]
    public void Set_operations_agree_with_a_bit_array() =>
        Prop.ForAll(Ports.Sets.ToArbitrary(), Ports.Sets.ToArbitrary(), (a, b) =>
            Same(a.Union(b), Bits(a).Or(Bits(b)))
            && Same(a.Intersect(b), Bits(a).And(Bits(b)))
            && Same(a.Subtract(b), Bits(a).And(Bits(b).Not()))
            && a.Overlaps(b) == !a.Intersect(b).IsEmpty).QuickCheckThrowOnFailure();

    [Fact]
    public void Sets_stay_sorted_disjoint_and_apart() =>
        Prop.ForAll(Ports.Sets.ToArbitrary(), Ports.Sets.ToArbitrary(), (a, b) =>
            new[] { a, a.Union(b), a.Intersect(b), a.Subtract(b) }.All(s =>
                s.Ranges.Zip(s.Ranges.Skip(1)).All(p => p.First.End + 1 < p.Second.Begin))).QuickCheckThrowOnFailure();

    [Fact]
    public void Any_text_is_parsed_or_refused_but_nothing_else() =>
        Prop.ForAll(ArbMap.Default.ArbFor<string>(), text =>
        {
            try
            {
                return PortSet.Parse(text ?? "") is not null;
            }
            catch (FormatException)
            {
                return true;
            }
        }).QuickCheckThrowOnFailure();

    private static BitArray Bits(PortSet set)
    {
        var bits = new BitArray(65536);
        foreach (var range in set.Ranges)
        {
            for (int port = range.Begin; port <= range.End; port++)
            {
                bits[port] = true;
            }
        }

        return bits;
    }

    private static bool Same(PortSet set, BitArray expected) => Bits(set).Xor(expected).HasAnySet() == false;
}
