using System.Text;

namespace CniIsolator.Fuzz;

/// <summary>Makes inputs out of a target's seeds and words.</summary>
public static class Mutator
{
    // What readers of numbers, strings and lengths trip over.
    private static readonly string[] Traps =
    [
        "0", "-1", "-0", "1e999", "1e-999", "0.5", "65535", "65536", "4294967296", "18446744073709551615", "18446744073709551616", "99999999999999999999999999999999",
        "null", "true", "[]", "{}", "\"\"", "\"", "\\", "\\u", "\\ud800", "\\udfff\\ud800", "\\u0000", "\0", "\n", "\r", " ", "\t", "\u0085", "\ufeff", "ſ", "İ", "😀", "%s%n", "../", ",", ":", ";", "=", "-", "+",
    ];

    private static readonly byte[][] BadUtf8 = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]];

    /// <summary>The input that a target gets for a random sequence.</summary>
    public static byte[] Make(Target target, Random random)
    {
        if (target.Seeds.Count == 0 || random.Next(50) == 0)
        {
            var noise = new byte[random.Next(200)];
            random.NextBytes(noise);
            return noise;
        }

        var bytes = target.Seeds[random.Next(target.Seeds.Count)].ToList();

        // One in ten stays as it is: the outcome varies with more than the bytes.
        for (var n = random.Next(10) == 0 ? 0 : random.Next(1, 6); n > 0; n--)
        {
            Change(bytes, target, random);
        }

        return [.. bytes];
    }

    private static void Change(List<byte> bytes, Target target, Random random)
    {
        if (bytes.Count == 0)
        {
            bytes.AddRange(Word(target, random));
            return;
        }

        var at = random.Next(bytes.Count);
        switch (random.Next(9))
        {
            case 0:
                bytes[at] = (byte)random.Next(256);
                break;
            case 1:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 2:
                bytes.RemoveRange(at, random.Next(Math.Min(24, bytes.Count - at)) + 1);
                break;
            case 3:
                bytes.InsertRange(at, Word(target, random));
                break;
            case 4:
                bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(80), bytes.Count - at)));
                break;
            case 5:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 6:
                Splice(bytes, target, random, at);
                break;
            default:
                ReplaceToken(bytes, Word(target, random), at);
                break;
        }
    }

    private static byte[] Word(Target target, Random random) => random.Next(8) switch
    {
        0 => BadUtf8[random.Next(BadUtf8.Length)],
        < 4 => Encoding.UTF8.GetBytes(Traps[random.Next(Traps.Length)]),
        _ when target.Words.Count > 0 => Encoding.UTF8.GetBytes(target.Words[random.Next(target.Words.Count)]),
        _ => Encoding.UTF8.GetBytes(Traps[random.Next(Traps.Length)]),
    };

    /// <summary>The rest of another seed behind the beginning of this one.</summary>
    private static void Splice(List<byte> bytes, Target target, Random random, int at)
    {
        var other = target.Seeds[random.Next(target.Seeds.Count)];
        bytes.RemoveRange(at, bytes.Count - at);
        bytes.AddRange(other[random.Next(other.Length + 1)..]);
    }

    /// <summary>A string, number or word gives way to another, so that the text around it stays well-formed.</summary>
    private static void ReplaceToken(List<byte> bytes, byte[] word, int at)
    {
        var (begin, end) = (at, at);
        if (bytes[at] == '"')
        {
            end = bytes.IndexOf((byte)'"', Math.Min(at + 1, bytes.Count - 1));
            end = end < at ? at : end;
        }
        else
        {
            while (begin > 0 && IsWord(bytes[begin - 1]))
            {
                begin--;
            }

            while (end + 1 < bytes.Count && IsWord(bytes[end + 1]))
            {
                end++;
            }
        }

        bytes.RemoveRange(begin, end - begin + 1);
        bytes.InsertRange(begin, word);
    }

    private static bool IsWord(byte b) => char.IsAsciiLetterOrDigit((char)b) || b is (byte)'.' or (byte)'_' or (byte)'/';
}
