using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace CniIsolator.Ipam;

/// <summary>The JSON of the store's files: indented, camelCase, UTF-8, with a newline at the end.</summary>
public static class StoreFormat
{
    // Nothing but the release that wrote such a record can take down what it describes.
    private const string OlderAttachment =
        "is of a release before 0.2: drain the host (end its containers with that release), then remove the state directory";

    private static readonly StoreJsonContext Json = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        // People read these files, no browser does: "+" need not become \u002B.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters =
        {
            new PortRangeConverter(), new PortClaimConverter(), new InternetAddressConverter(),
            new AttachmentStateConverter(), new HostLoopbackConverter(),
        },
    });

    public static byte[] Write(Attachment attachment) => Write(attachment, Json.Attachment);

    /// <summary>The array that is shown to operators.</summary>
    public static byte[] Write(IReadOnlyList<Attachment> attachments) => Write([.. attachments], Json.AttachmentArray);

    public static byte[] Write(HostRecord host) => Write(host, Json.HostRecord);

    public static byte[] Write(FreedSlices freed) =>
        Write(new FreedDocument { Slices = [.. freed.Ranges.Select(r => r.ToString())] }, Json.FreedDocument);

    public static byte[] Write(IReadOnlyList<NetworkRecord> networks) =>
        Write(new NetworksDocument { Networks = [.. networks] }, Json.NetworksDocument);

    /// <exception cref="RecordFormatException">It is not a record that this program understands.</exception>
    public static Attachment ReadAttachment(ReadOnlySpan<byte> json)
    {
        var attachment = Read(json, Json.Attachment, Attachment.CurrentVersion, OlderAttachment);
        return attachment.FindFault() is { } fault ? throw new RecordFormatException(fault) : attachment;
    }

    /// <exception cref="RecordFormatException">It is not a record that this program understands.</exception>
    public static HostRecord ReadHost(ReadOnlySpan<byte> json)
    {
        var host = Read(json, Json.HostRecord, HostRecord.CurrentVersion);
        return host.FindFault() is { } fault ? throw new RecordFormatException(fault) : host;
    }

    /// <exception cref="RecordFormatException">It is not a list that this program understands.</exception>
    public static FreedSlices ReadFreed(ReadOnlySpan<byte> json)
    {
        var document = Read(json, Json.FreedDocument, FreedDocument.CurrentVersion);
        try
        {
            return FreedSlices.From(document.Slices.Select(PortRange.Parse));
        }
        catch (FormatException e)
        {
            throw new RecordFormatException(e.Message, e);
        }
    }

    /// <exception cref="RecordFormatException">It is not a list that this program understands.</exception>
    public static IReadOnlyList<NetworkRecord> ReadNetworks(ReadOnlySpan<byte> json)
    {
        var networks = Read(json, Json.NetworksDocument, NetworksDocument.CurrentVersion).Networks;
        foreach (var network in networks)
        {
            // Not even RespectNullableAnnotations looks into an array.
            if (network is null)
            {
                throw new RecordFormatException("networks has null");
            }

            if (network.FindFault() is { } fault)
            {
                throw new RecordFormatException($"{network.Name}: {fault}");
            }
        }

        return networks;
    }

    private static byte[] Write<T>(T value, JsonTypeInfo<T> type) => [.. JsonSerializer.SerializeToUtf8Bytes(value, type), (byte)'\n'];

    /// <summary>The number in "version" of the outermost object; null where there is none, which the whole format then reports.</summary>
    private static long? ReadVersion(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return null;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals("version"u8);
            reader.Read();
            if (found)
            {
                return reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var version) ? version : null;
            }

            reader.Skip();
        }

        return null;
    }

    private static T Read<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> type, int knownVersion, string? older = null)
        where T : class
    {
        if (json.IsEmpty)
        {
            throw new RecordFormatException("the file is empty");
        }

        try
        {
            // First the version alone: a later format may have changed everything else.
            var version = ReadVersion(json);
            if (version > knownVersion)
            {
                throw new RecordFormatException(string.Create(
                    CultureInfo.InvariantCulture, $"version {version} is newer than this program, which knows {knownVersion}"));
            }

            if (older is not null && version < knownVersion)
            {
                throw new RecordFormatException(string.Create(CultureInfo.InvariantCulture, $"version {version} {older}")) { IsOfOlderVersion = true };
            }

            return JsonSerializer.Deserialize(json, type) ?? throw new RecordFormatException("the file says null");
        }
        catch (JsonException e) when (e.Path is { } path && !e.Message.Contains("Path:", StringComparison.Ordinal))
        {
            // The serializer's own messages say where; ours must be told.
            throw new RecordFormatException($"{path}: {e.Message}", e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new RecordFormatException(e.Message, e);
        }
    }
}

/// <summary>freed.json: ranges as text, one line each, as there may be thousands.</summary>
internal sealed record FreedDocument
{
    public const int CurrentVersion = 1;

    [JsonRequired]
    public int Version { get; init; } = CurrentVersion;

    public required string[] Slices { get; init; }
}

[JsonSerializable(typeof(Attachment))]
[JsonSerializable(typeof(Attachment[]))]
[JsonSerializable(typeof(HostRecord))]
[JsonSerializable(typeof(FreedDocument))]
[JsonSerializable(typeof(NetworksDocument))]
internal sealed partial class StoreJsonContext : JsonSerializerContext;
