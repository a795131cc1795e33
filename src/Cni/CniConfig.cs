using System.Text.Json;

namespace CniIsolator.Cni;

/// <summary>
/// The network configuration from standard input. Parsing checks what every command needs - that it is JSON and has a
/// valid name. The rest is read when asked for, so that a fault in one key cannot stop a DEL that has no use for it.
/// </summary>
public sealed class CniConfig
{
    /// <summary>Longest text accepted, in bytes: 1 MiB.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Deepest nesting accepted.</summary>
    public const int MaxDepth = 64;

    private CniConfig(JsonElement root)
    {
        Root = root;
        Top = new ConfigValue(root);
        var name = new ConfigValue(root, ErrorCode: CniErrorCode.DecodingFailure).Member("name");
        if (name.IsPresent && name.Element.ValueKind != JsonValueKind.String)
        {
            throw Unreadable($"name: {name.Shown} is not a string");
        }

        // Whatever is wrong with a name is code 7, of which a NUL is no exception.
        Name = name.AsAnyString() ?? "";
    }

    /// <summary>The whole object, undefined if standard input was the word null.</summary>
    public JsonElement Root { get; }

    /// <summary>The same with its members reachable regardless of case; wrong types raise code 7.</summary>
    public ConfigValue Top { get; }

    /// <summary>The network's name: a letter or digit, then letters, digits, '_', '.', '-'.</summary>
    public string Name { get; }

    /// <summary>The "type" member, "" if it is absent or no string.</summary>
    public string Type => Top.Member("type") is { Element.ValueKind: JsonValueKind.String } type ? type.AsString()! : "";

    /// <summary>The result of the plugins before this one (ADD) or of the whole list (DEL, CHECK), undefined if absent.</summary>
    public ConfigValue PreviousResult =>
        Top.Member("prevResult") with { ErrorCode = CniErrorCode.DecodingFailure };

    public RuntimeConfig RuntimeConfig => new(Top.Member("runtimeConfig"));

    /// <summary>What Mesos' CNI isolator says about the container; empty under other runtimes.</summary>
    public MesosNetworkInfo Mesos => MesosNetworkInfo.From(Top.Member("args"));

    /// <param name="json">UTF-8, with or without a byte order mark.</param>
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.DecodingFailure"/> if it is no JSON object, is too long or too deep, or has a key twice at
    /// the top level (also if only case differs); <see cref="CniErrorCode.InvalidNetworkConfig"/> if the name is missing
    /// or malformed.
    /// </exception>
    public static CniConfig Parse(ReadOnlySpan<byte> json)
    {
        if (json.Length > MaxBytes)
        {
            throw TooLong();
        }

        if (json.Trim(" \t\r\n"u8).IsEmpty)
        {
            throw Unreadable("standard input is empty");
        }

        JsonElement root;
        try
        {
            using var document = JsonDocument.Parse(
                JsonSanitizer.Clean(json), new JsonDocumentOptions { MaxDepth = MaxDepth });
            root = document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw Unreadable(e.Message, e);
        }

        if (root.ValueKind is not (JsonValueKind.Object or JsonValueKind.Null))
        {
            throw Unreadable($"{new ConfigValue(root).Shown} is not an object");
        }

        RejectRepeatedKeys(root);
        var config = new CniConfig(root);
        if (config.Name.Length == 0)
        {
            throw new CniException(CniErrorCode.InvalidNetworkConfig, "missing network name");
        }

        return CniNames.IsIdentifier(config.Name)
            ? config
            : throw new CniException(
                CniErrorCode.InvalidNetworkConfig, "invalid characters found in network name", ConfigValue.Shorten(config.Name));
    }

    /// <summary>The "cniVersion" as written, "" if it is absent.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.DecodingFailure"/> if it is no string.</exception>
    public string ReadDeclaredVersion()
    {
        var version = Top.Member("cniVersion");
        return !version.IsPresent || version.Element.ValueKind == JsonValueKind.String
            ? version.AsString() ?? ""
            : throw new CniException(
                CniErrorCode.DecodingFailure, $"decoding version from network config: cniVersion: {version.Shown} is not a string");
    }

    /// <summary>The "dns" member; null if absent.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>.</exception>
    public CniDns? ReadDns() => CniDns.Read(Top.Member("dns"));

    /// <summary>The result that an ADD later in a chain, a DEL or a CHECK brings along; null if there is none.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.DecodingFailure"/>.</exception>
    public CniResult? ReadPreviousResult() => PreviousResult is { IsPresent: true } previous ? CniResult.Read(previous) : null;

    /// <summary>As <see cref="ReadPreviousResult"/>, for CHECK, which cannot do without.</summary>
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.InvalidNetworkConfig"/> if it is absent, <see cref="CniErrorCode.DecodingFailure"/>.
    /// </exception>
    public CniResult RequirePreviousResult() => ReadPreviousResult()
        ?? throw new CniException(CniErrorCode.InvalidNetworkConfig, "Required prevResult missing");

    /// <summary>
    /// GC: the attachments that are alive according to the runtime. Null if it does not say, which is not the same as an
    /// empty list: "none is alive". A key with the value null does not say either, since that is how Go marshals a list
    /// nobody has filled.
    /// </summary>
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.InvalidNetworkConfig"/>: an element lacks its names. Guessing would reap a live container.
    /// </exception>
    public IReadOnlyList<CniAttachment>? ReadValidAttachments()
    {
        // The text of version 1.1.0 calls it "attachments"; libcni and later texts have the longer name.
        var list = Top.Member("cni.dev/valid-attachments");
        if (!list.IsPresent)
        {
            list = Top.Member("cni.dev/attachments");
        }

        return list.IsPresent ? [.. list.Items().Select(CniAttachment.Read)] : null;
    }

    internal static CniException TooLong() => Unreadable($"it is longer than {MaxBytes} bytes");

    private static CniException Unreadable(string reason, Exception? inner = null) =>
        new(CniErrorCode.DecodingFailure, $"error unmarshall network config: {reason}", inner: inner);

    private static void RejectRepeatedKeys(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var member in root.EnumerateObject())
        {
            if (!seen.Add(member.Name))
            {
                throw Unreadable($"key \"{ConfigValue.Shorten(member.Name)}\" is there twice");
            }
        }
    }
}
