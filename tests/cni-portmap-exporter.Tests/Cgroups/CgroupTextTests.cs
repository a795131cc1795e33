using System.Globalization;
using System.Text;
using CniIsolator.Exporter.Cgroups;
using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Exporter.Tests.Cgroups;

public sealed class CgroupTextTests
{
    [Theory]
    [InlineData("0\n", 0UL)]
    [InlineData("18446744073709551615\n", ulong.MaxValue)]
    [InlineData("7\nmore\n", 7UL)]
    [InlineData("18446744073709551616\n", null)]
    [InlineData("max\n", null)]
    [InlineData("-1\n", null)]
    [InlineData("+1\n", null)]
    [InlineData("1 \n", null)]
    [InlineData(" 1\n", null)]
    [InlineData("1.5\n", null)]
    [InlineData("\n", null)]
    [InlineData("123", null)] // cut off
    [InlineData("", null)]
    public void Number(string text, ulong? expected) => Assert.Equal(expected, CgroupText.Number(Encoding.UTF8.GetBytes(text)));

    [Theory]
    [InlineData("50000 100000\n", 0.5)]
    [InlineData("0 100000\n", 0.0)]
    [InlineData("max 100000\n", null)]
    [InlineData("50000 0\n", null)]
    [InlineData("50000\n", null)]
    [InlineData("50000 \n", null)]
    [InlineData(" 50000\n", null)]
    [InlineData("50000 10", null)]
    public void Quota(string text, double? expected) => Assert.Equal(expected, CgroupText.Quota(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Lines_that_are_not_understood_are_passed_over() =>
        Assert.Equal("anon=1,file=2,last=3", Lines("anon 1\n\nx\n 5\nnegative -1\ntwo 1 2\nhuge 99999999999999999999\nfile 2\nlast 3\ncut 123"u8));

    [Fact]
    public void Whatever_the_bytes_every_reading_ends_and_none_throws() =>
        Prop.ForAll<byte[]>(bytes =>
        {
            Lines(bytes);
            CgroupText.Number(bytes);
            CgroupText.Quota(bytes);
            CgroupMembership.Parse(bytes);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void What_is_written_is_read_between_any_rubbish()
    {
        var rubbish = Gen.Elements("", "x", "a b c", "n -1", "max", "anon_thp 99999999999999999999", "\u0000", "ä 1.5");
        var lines = from value in ArbMap.Default.GeneratorFor<ulong>() from before in rubbish from after in rubbish select (value, before, after);
        Prop.ForAll(lines.ToArbitrary(), line =>
        {
            var text = string.Create(CultureInfo.InvariantCulture, $"{line.before}\nanon {line.value}\n{line.after}\n");
            return Lines(Encoding.UTF8.GetBytes(text)) == string.Create(CultureInfo.InvariantCulture, $"anon={line.value}");
        }).QuickCheckThrowOnFailure();
    }

    private static string Lines(ReadOnlySpan<byte> text)
    {
        var found = new List<string>();
        while (CgroupText.TryReadLine(ref text, out var key, out var value))
        {
            found.Add(string.Create(CultureInfo.InvariantCulture, $"{Encoding.UTF8.GetString(key)}={value}"));
        }

        return string.Join(',', found);
    }
}
