using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace CniIsolator.Netlink.Route;

/// <summary>An IPv4 address; <see cref="Bits"/> in host order, so that 127.0.0.1 is 0x7f000001.</summary>
public readonly record struct InternetAddress(uint Bits)
{
    public static readonly InternetAddress Loopback = new(0x7f000001);

    public static InternetAddress FromWire(ReadOnlySpan<byte> bytes) =>
        bytes.Length == 4
            ? new InternetAddress(BinaryPrimitives.ReadUInt32BigEndian(bytes))
            : throw new NetlinkProtocolException($"an IPv4 address of {bytes.Length} bytes");

    /// <exception cref="FormatException">Not four decimal numbers joined by dots.</exception>
    public static InternetAddress Parse(string text)
    {
        var parts = text.Split('.');
        var bits = 0u;
        foreach (var part in parts)
        {
            if (parts.Length != 4 || !byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var b))
            {
                throw new FormatException($"not an IPv4 address: \"{text}\"");
            }

            bits = (bits << 8) | b;
        }

        return new InternetAddress(bits);
    }

    /// <summary>The same address as .NET has it.</summary>
    /// <exception cref="NetlinkProtocolException">It is not an IPv4 address.</exception>
    public static InternetAddress From(IPAddress address) => FromWire(address.GetAddressBytes());

    /// <summary>The same address as .NET has it.</summary>
    public IPAddress ToIPAddress() => new(ToBytes());

    public byte[] ToBytes() => [(byte)(Bits >> 24), (byte)(Bits >> 16), (byte)(Bits >> 8), (byte)Bits];

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Bits >> 24}.{(Bits >> 16) & 0xff}.{(Bits >> 8) & 0xff}.{Bits & 0xff}");
}
