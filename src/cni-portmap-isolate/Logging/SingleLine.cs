namespace CniIsolator.Plugin.Logging;

/// <summary>
/// Text that others have chosen, for a log or a terminal: a line end in it would begin a line of theirs, and an escape character steers the
/// terminal of whoever looks.
/// </summary>
internal static class SingleLine
{
    /// <summary>The text with every control character written out, such as \u001b.</summary>
    public static string Of(string text) =>
        text.AsSpan().ContainsAnyInRange('\0', '\u001f') || text.AsSpan().ContainsAnyInRange('\u007f', '\u009f')
            ? string.Concat(text.Select(c => char.IsControl(c) ? $"\\u{(int)c:x4}" : c.ToString()))
            : text;
}
