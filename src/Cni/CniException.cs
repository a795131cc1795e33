
namespace CniIsolator.Cni;

/// <summary>A failure that is reported to the runtime as a CNI error (specification 1.1.0, section "Error").</summary>
/// <param name="code">One of <see cref="CniErrorCode"/>.</param>
/// <param name="message">One short sentence, the "msg" member.</param>
/// <param name="details">What a person needs to act on it, or null. Runtimes show "msg; details".</param>
/// <param name="inner">The cause, for the log; it is not sent to the runtime.</param>
public sealed class CniException(int code, string message, string? details = null, Exception? inner = null)
    : Exception(Cut(message, LongestMessage), inner)
{
    /// <summary>Characters that a message may have. Runtimes log it, and what it quotes came from outside.</summary>
    public const int LongestMessage = 1000;

    /// <summary>Characters that details may have: a CHECK of a container with thousands of filters lists them all.</summary>
    public const int LongestDetails = 1 << 18;

    public int Code { get; } = code;

    public string? Details { get; } = details is null ? null : Cut(details, LongestDetails);

    /// <summary>The error reply as indented UTF-8 JSON, without a newline at the end.</summary>
    /// <param name="cniVersion">The version of the configuration, or the newest one where that is not known.</param>
    public byte[] ToJson(string cniVersion) => JsonText.Write(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("cniVersion"u8, cniVersion);
        writer.WriteNumber("code"u8, Code);
        writer.WriteString("msg"u8, Message);
        if (!string.IsNullOrEmpty(Details))
        {
            writer.WriteString("details"u8, Details);
        }

        writer.WriteEndObject();
    });

    private static string Cut(string text, int longest) => text.Length <= longest ? text : text[..longest] + "...";
}
