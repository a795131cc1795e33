using System.Globalization;
using System.Text;
using CniIsolator.Ipam;

namespace CniIsolator.Fuzz;

/// <summary>Lists of port ranges, compared with a slow reader of the same language that keeps a bit for every port.</summary>
public sealed class PortRangesTarget : Target
{
    public override string Name => "ports";

    public override int Weight => 20;

    public override IReadOnlyList<byte[]> Seeds { get; } =
        [.. ((string[])["31000-32000", "31000-31999,33000", "0-65535", "1, 2 ,3-4", "65535", "1024-2047,2048-4095,1-1"]).Select(Encoding.UTF8.GetBytes)];

    public override IReadOnlyList<string> Words { get; } = ["0", "1", "65535", "65536", "31000", "-", ",", "--", ",,", "+1", "٣", "１", " ", "1-2"];

    public override void Try(byte[] input, Random random)
    {
        var text = Encoding.UTF8.GetString(input);
        var expected = ReadSlowly(text);
        PortSet set;
        try
        {
            set = PortSet.Parse(text);
        }
        catch (FormatException e)
        {
            Promise(expected is null, $"\"{text}\" was refused: {e.Message}");
            return;
        }

        Promise(expected is not null, $"\"{text}\" was read as {set}");
        for (var port = 0; port <= ushort.MaxValue; port += random.Next(1, 400))
        {
            Promise(set.Contains(port) == expected![port], $"\"{text}\" was read as {set}, wrong for {port}");
        }

        foreach (var edge in set.Ranges)
        {
            Promise(
                expected![edge.Begin] && expected[edge.End] && (edge.Begin == 0 || !expected[edge.Begin - 1]) && (edge.End == ushort.MaxValue || !expected[edge.End + 1]),
                $"\"{text}\" was read as {set}");
        }

        Promise(set.Equals(PortSet.Parse(set.ToString())), $"{set} is not read as written");
        Promise(set.Decompose().All(block => block.IsAlignedPowerOfTwo) && PortSet.From(set.Decompose()).Equals(set), $"{set} falls into other blocks");
        Promise(set.Subtract(set).IsEmpty && set.Union(set).Equals(set) && set.Intersect(set).Equals(set), $"{set} and itself");
    }

    /// <summary>Null for what is no list of ranges.</summary>
    private static bool[]? ReadSlowly(string text)
    {
        var ports = new bool[ushort.MaxValue + 1];
        if (text.Trim().Length == 0)
        {
            return ports;
        }

        foreach (var element in text.Split(','))
        {
            var ends = element.Split('-').Select(end => end.Trim()).ToList();
            if (ends.Count > 2 || !ends.All(end => end.Length > 0 && end.All(char.IsAsciiDigit)))
            {
                return null;
            }

            var numbers = ends.ConvertAll(end => System.Numerics.BigInteger.Parse(end, CultureInfo.InvariantCulture));
            if (numbers[^1] > ushort.MaxValue || numbers[0] > numbers[^1])
            {
                return null;
            }

            ports.AsSpan((int)numbers[0]..((int)numbers[^1] + 1)).Fill(true);
        }

        return ports;
    }
}
