using System.Globalization;

namespace CniIsolator.Testbed;

/// <summary>An Ethernet address.</summary>
public readonly record struct MacAddress(ulong Value)
{
    /// <summary>To everyone on the link.</summary>
    public static readonly MacAddress Broadcast = new(0xffffffffffff);

    /// <summary>Reads six hexadecimal bytes with colons.</summary>
    public static MacAddress Parse(string text) => new(ulong.Parse(text.Replace(":", "", StringComparison.Ordinal), NumberStyles.HexNumber, CultureInfo.InvariantCulture));

    /// <summary>Reads six bytes of a frame.</summary>
    public static MacAddress Read(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        foreach (byte part in bytes[..6])
        {
            value = (value << 8) | part;
        }

        return new MacAddress(value);
    }

    /// <summary>Writes its six bytes into a frame.</summary>
    public void Write(Span<byte> bytes)
    {
        for (int index = 0; index < 6; index++)
        {
            bytes[index] = (byte)(Value >> (40 - (8 * index)));
        }
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        byte[] bytes = new byte[6];
        Write(bytes);
        return string.Join(':', bytes.Select(part => part.ToString("x2", CultureInfo.InvariantCulture)));
    }
}
