using System.Text;
using System.Text.RegularExpressions;

namespace CniIsolator.Cni;

/// <summary>What container ids, network names and interface names may look like (specification 1.1.0, "Parameters").</summary>
public static partial class CniNames
{
    /// <summary>Bytes an interface name may have: IFNAMSIZ without its terminator.</summary>
    public const int MaxInterfaceNameBytes = 15;

    /// <summary>A letter or digit, then letters, digits, '_', '.', '-'. Any length; also the rule for network names.</summary>
    public static bool IsIdentifier(string text) => Identifier().IsMatch(text);

    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidEnvironment"/>.</exception>
    internal static void CheckContainerId(string id)
    {
        if (!IsIdentifier(id))
        {
            throw new CniException(CniErrorCode.InvalidEnvironment, "invalid characters in containerID", ConfigValue.Shorten(id));
        }
    }

    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidEnvironment"/>.</exception>
    public static void CheckInterfaceName(string name)
    {
        if (name.Length == 0)
        {
            throw new CniException(CniErrorCode.InvalidEnvironment, "interface name is empty");
        }

        if (Encoding.UTF8.GetByteCount(name) > MaxInterfaceNameBytes)
        {
            throw new CniException(
                CniErrorCode.InvalidEnvironment, "interface name is too long", "interface name should be less than 16 characters");
        }

        if (name is "." or "..")
        {
            throw new CniException(CniErrorCode.InvalidEnvironment, "interface name is . or ..");
        }

        // Not the reference library's rule: the name is shown on terminals.
        if (name.Any(c => char.IsControl(c) && !char.IsWhiteSpace(c)))
        {
            throw new CniException(CniErrorCode.InvalidEnvironment, "interface name contains control characters");
        }

        if (name.Any(c => c is '/' or ':' or '\0' || char.IsWhiteSpace(c)))
        {
            throw new CniException(
                CniErrorCode.InvalidEnvironment, "interface name contains / or : or whitespace characters");
        }
    }

    // \z, not $: $ would let a trailing newline through.
    [GeneratedRegex(@"\A[a-zA-Z0-9][a-zA-Z0-9_.\-]*\z", RegexOptions.CultureInvariant)]
    private static partial Regex Identifier();
}
