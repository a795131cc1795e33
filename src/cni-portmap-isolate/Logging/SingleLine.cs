using System.Globalization;
using System.Text;

namespace CniIsolator.Plugin.Logging;

/// <summary>
/// Text that others have chosen, for a log or a terminal: a line end in it would begin a line of theirs, and an escape character steers the
/// terminal of whoever looks.
/// </summary>
internal static class SingleLine
{
    /// <summary>The text with every control character written out, such as \u001b.</summary>
    public static string Of(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\u001f') && !text.AsSpan().ContainsAnyInRange('\u007f', '\u009f'))
        {
            return text;
        }

        var line = new StringBuilder();
        foreach (var character in text)
        {
            if (char.IsControl(character))
            {
                line.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            }
            else
            {
                line.Append(character);
            }
        }

        return line.ToString();
    }
}
