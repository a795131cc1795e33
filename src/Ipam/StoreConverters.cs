using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>{"begin": 32768, "end": 33791}</summary>
internal sealed class PortRangeConverter : JsonConverter<PortRange>
{
    public override PortRange Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        PortObject.Read(ref reader).Range;

    public override void Write(Utf8JsonWriter writer, PortRange value, JsonSerializerOptions options) =>
        PortObject.Write(writer, null, value);
}

/// <summary>{"protocol": "tcp", "begin": 31005, "end": 31005}</summary>
internal sealed class PortClaimConverter : JsonConverter<PortClaim>
{
    public override PortClaim Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var (protocol, range) = PortObject.Read(ref reader);
        return new PortClaim(
            protocol switch
            {
                "tcp" => TransportProtocol.Tcp,
                "udp" => TransportProtocol.Udp,
                "sctp" => TransportProtocol.Sctp,
                null => throw new JsonException("a port range has no protocol"),
                _ => throw new JsonException($"protocol \"{protocol}\" is none of tcp, udp, sctp"),
            },
            range);
    }

    public override void Write(Utf8JsonWriter writer, PortClaim value, JsonSerializerOptions options) =>
        PortObject.Write(
            writer,
            value.Protocol.Name(),
            value.Range);
}

/// <summary>The object that both converters share. Members that are not known are skipped.</summary>
internal static class PortObject
{
    internal static (string? Protocol, PortRange Range) Read(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException("a port range is not an object");
        }

        string? protocol = null;
        ushort? begin = null;
        ushort? end = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            reader.Read();
            switch (name)
            {
                case "protocol":
                    protocol = reader.TokenType == JsonTokenType.String
                        ? reader.GetString()
                        : throw new JsonException("protocol is not a string");
                    break;
                case "begin":
                    begin = ReadPort(ref reader);
                    break;
                case "end":
                    end = ReadPort(ref reader);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (begin is not { } first || end is not { } last)
        {
            throw new JsonException("a port range needs begin and end");
        }

        return first <= last
            ? (protocol, new PortRange(first, last))
            : throw new JsonException($"port range {first}-{last} ends before it begins");
    }

    internal static void Write(Utf8JsonWriter writer, string? protocol, PortRange range)
    {
        writer.WriteStartObject();
        if (protocol is not null)
        {
            writer.WriteString("protocol", protocol);
        }

        writer.WriteNumber("begin", range.Begin);
        writer.WriteNumber("end", range.End);
        writer.WriteEndObject();
    }

    private static ushort ReadPort(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Number && reader.TryGetUInt16(out var port)
            ? port
            : throw new JsonException("a port is not a number from 0 to 65535");
}

/// <summary>"192.0.2.10": IPv4 only, and only as it is written.</summary>
internal sealed class InternetAddressConverter : JsonConverter<IPAddress>
{
    public override IPAddress Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var text = reader.TokenType == JsonTokenType.String ? reader.GetString() : throw new JsonException("an IPv4 address is not a string");

        // The round trip refuses "1" and "127.1", which are addresses to .NET.
        return IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == text
            ? address
            : throw new JsonException($"\"{text}\" is not an IPv4 address");
    }

    public override void Write(Utf8JsonWriter writer, IPAddress value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}

internal sealed class AttachmentStateConverter : WordConverter<AttachmentState>
{
    protected override IReadOnlyList<string> Words => ["creating", "ready", "deleting"];

    protected override AttachmentState FromIndex(int index) => (AttachmentState)index;

    protected override int ToIndex(AttachmentState value) => (int)value;
}

internal sealed class HostLoopbackConverter : WordConverter<HostLoopback>
{
    protected override IReadOnlyList<string> Words => ["allow", "deny"];

    protected override HostLoopback FromIndex(int index) => (HostLoopback)index;

    protected override int ToIndex(HostLoopback value) => (int)value;
}

/// <summary>An enumeration as one of a few words. Stricter than the built-in one, which takes numbers and any case.</summary>
internal abstract class WordConverter<T> : JsonConverter<T>
    where T : struct, Enum
{
    /// <summary>The words in the order of the values, which count from 0.</summary>
    protected abstract IReadOnlyList<string> Words { get; }

    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var word = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
        for (var i = 0; i < Words.Count; i++)
        {
            if (Words[i] == word)
            {
                return FromIndex(i);
            }
        }

        throw new JsonException($"not one of {string.Join(", ", Words)}");
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
        writer.WriteStringValue(Words[ToIndex(value)]);

    protected abstract T FromIndex(int index);

    protected abstract int ToIndex(T value);
}
