using System.Globalization;
using System.Text.Json;

namespace CniIsolator.Cni;

/// <summary>
/// A JSON value together with the path it was reached by, so that whoever rejects it can name it. Member names are
/// matched without regard to case, because several runtimes marshal Go structs without tags; null counts as absent.
/// </summary>
/// <param name="Element">The value; an undefined element stands for an absent one.</param>
/// <param name="Path">For messages, for instance "runtimeConfig.portMappings[2].hostPort".</param>
/// <param name="ErrorCode">The code that a wrong type or value is reported with.</param>
public readonly record struct ConfigValue(
    JsonElement Element, string Path = "", int ErrorCode = CniErrorCode.InvalidNetworkConfig)
{
    private const int ShownCharacters = 120;

    /// <summary>Whether there is a value other than null.</summary>
    public bool IsPresent => Element.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);

    /// <summary>The value as the configuration has it, shortened, for messages.</summary>
    public string Shown
    {
        get
        {
            if (!IsPresent)
            {
                return "null";
            }

            return Shorten(Element.GetRawText());
        }
    }

    /// <summary>A text from outside as a message has it: a runtime logs every error, and need not log a megabyte.</summary>
    public static string Shorten(string text) => text.Length <= ShownCharacters ? text : text[..ShownCharacters] + "...";

    /// <summary>A member of an object; absent if there is none, the last one if it is repeated.</summary>
    /// <exception cref="CniException">The value is present but no object.</exception>
    public ConfigValue Member(string name)
    {
        var path = Path.Length == 0 ? name : $"{Path}.{name}";
        if (!IsPresent)
        {
            return new ConfigValue(default, path, ErrorCode);
        }

        if (Element.ValueKind != JsonValueKind.Object)
        {
            throw Invalid("is not an object");
        }

        JsonElement found = default;
        foreach (var member in Element.EnumerateObject())
        {
            if (string.Equals(member.Name, name, StringComparison.OrdinalIgnoreCase))
            {
                found = member.Value;
            }
        }

        return new ConfigValue(found, path, ErrorCode);
    }

    /// <summary>The elements of a list; none if the value is absent.</summary>
    /// <exception cref="CniException">The value is present but no list.</exception>
    public IReadOnlyList<ConfigValue> Items()
    {
        if (!IsPresent)
        {
            return [];
        }

        if (Element.ValueKind != JsonValueKind.Array)
        {
            throw Invalid("is not a list");
        }

        var items = new List<ConfigValue>(Element.GetArrayLength());
        foreach (var item in Element.EnumerateArray())
        {
            items.Add(new ConfigValue(item, $"{Path}[{items.Count}]", ErrorCode));
        }

        return items;
    }

    /// <summary>The string, or null if the value is absent.</summary>
    /// <exception cref="CniException">
    /// The value is present but no string, or has a NUL, which the kernel would take for the end of a name, and .NET for nothing behind a number.
    /// </exception>
    public string? AsString() => AsAnyString() is not { } text ? null
        : text.Contains('\0', StringComparison.Ordinal) ? throw Invalid("has a NUL character")
        : text;

    /// <summary>The string, whatever is in it, or null if the value is absent.</summary>
    /// <exception cref="CniException">The value is present but no string.</exception>
    internal string? AsAnyString() => !IsPresent ? null
        : Element.ValueKind == JsonValueKind.String ? Element.GetString()
        : throw Invalid("is not a string");

    /// <exception cref="CniException">The value is present but neither true nor false.</exception>
    public bool? AsBoolean() => !IsPresent ? null
        : Element.ValueKind is JsonValueKind.True or JsonValueKind.False ? Element.GetBoolean()
        : throw Invalid("is neither true nor false");

    /// <summary>
    /// An integer, or null if the value is absent. Exponents ("1e+09") and integers in strings ("1024") are understood:
    /// libcni passes every number through a float64, and hand-written files quote numbers.
    /// </summary>
    /// <exception cref="CniException">Neither, or outside the limits.</exception>
    public ulong? AsInteger(ulong minimum, ulong maximum)
    {
        if (!IsPresent)
        {
            return null;
        }

        if (!TryGetNumber(out var number) || decimal.Truncate(number) != number)
        {
            throw Invalid("is not an integer");
        }

        return number >= minimum && number <= maximum
            ? (ulong)number
            : throw Invalid(string.Create(CultureInfo.InvariantCulture, $"is outside {minimum}-{maximum}"));
    }

    /// <summary>
    /// A number of any size and with a fraction, in JSON or in a string; what exceeds a decimal becomes its greatest or
    /// least value.
    /// </summary>
    public bool TryGetNumber(out decimal number)
    {
        number = 0;
        var (text, style) = Element.ValueKind switch
        {
            JsonValueKind.Number => (Element.GetRawText(), NumberStyles.Float),
            JsonValueKind.String => (AsString()!, NumberStyles.AllowLeadingSign),
            _ => ("", NumberStyles.None),
        };
        if (decimal.TryParse(text, style, CultureInfo.InvariantCulture, out number))
        {
            return true;
        }

        if (Element.ValueKind != JsonValueKind.Number)
        {
            return false;
        }

        number = text[0] == '-' ? decimal.MinValue : decimal.MaxValue;
        return true;
    }

    /// <summary>The error that says: this key has this value, which is wrong because.</summary>
    public CniException Invalid(string problem, string? details = null) =>
        new(ErrorCode, $"{Path}: {Shown} {problem}", details);
}
