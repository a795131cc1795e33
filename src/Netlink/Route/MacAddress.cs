using System.Globalization;

namespace CniIsolator.Netlink.Route;

/// <summary>A 48-bit Ethernet address.</summary>
public readonly record struct MacAddress
{
    private readonly ulong _bits;

    public MacAddress(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != 6)
        {
            throw new ArgumentException($"an Ethernet address has 6 bytes, not {bytes.Length}", nameof(bytes));
        }

        foreach (var b in bytes)
        {
            _bits = (_bits << 8) | b;
        }
    }

    /// <summary>What a loopback device has until somebody sets one.</summary>
    public bool IsZero => _bits == 0;

    /// <summary>The first two bytes as a number.</summary>
    public ushort High => (ushort)(_bits >> 32);

    /// <summary>The last four bytes as a number.</summary>
    public uint Low => (uint)_bits;

    /// <exception cref="FormatException">Not six hexadecimal pairs joined by colons.</exception>
    public static MacAddress Parse(string text)
    {
        var parts = text.Split(':');
        Span<byte> bytes = stackalloc byte[6];
        for (var i = 0; i < 6; i++)
        {
            if (parts.Length != 6 || !byte.TryParse(parts[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out bytes[i]))
            {
                throw new FormatException($"not an Ethernet address: \"{text}\"");
            }
        }

        return new MacAddress(bytes);
    }

    public byte[] ToBytes() => [(byte)(_bits >> 40), (byte)(_bits >> 32), (byte)(_bits >> 24), (byte)(_bits >> 16), (byte)(_bits >> 8), (byte)_bits];

    public override string ToString() => string.Join(':', ToBytes().Select(b => b.ToString("x2", CultureInfo.InvariantCulture)));
}
