using System.Collections.Immutable;
using System.Globalization;

namespace CniIsolator.Cni;

/// <summary>One of the seven released versions of the CNI specification, and what each of them has.</summary>
public sealed class CniVersion
{
    private readonly (int Major, int Minor, int Patch) number;

    private CniVersion(string text)
    {
        Text = text;
        number = ParseNumber(text)!.Value;
    }

    /// <summary>0.1.0 to 1.1.0, oldest first.</summary>
    public static ImmutableArray<CniVersion> All { get; } =
        [new("0.1.0"), new("0.2.0"), new("0.3.0"), new("0.3.1"), new("0.4.0"), new("1.0.0"), new("1.1.0")];

    /// <summary>What a configuration without "cniVersion" means.</summary>
    public static CniVersion Oldest => All[0];

    public static CniVersion Newest => All[^1];

    public string Text { get; }

    /// <summary>0.4.0 and later.</summary>
    public bool SupportsCheck => number.CompareTo((0, 4, 0)) >= 0;

    /// <summary>1.1.0 and later.</summary>
    public bool SupportsGarbageCollection => number.CompareTo((1, 1, 0)) >= 0;

    /// <summary>1.1.0 and later.</summary>
    public bool SupportsStatus => number.CompareTo((1, 1, 0)) >= 0;

    /// <summary>0.3.0 and later: "interfaces", "ips" and "routes"; before, "ip4" and "ip6".</summary>
    public bool HasInterfaceList => number.CompareTo((0, 3, 0)) >= 0;

    /// <summary>0.3.0 to 0.4.0: each of "ips" carries "version".</summary>
    public bool HasIpVersion => HasInterfaceList && number.Major == 0;

    /// <summary>1.1.0 and later: "mtu", "socketPath", "pciID" of interfaces; "mtu", "priority" and others of routes.</summary>
    public bool HasLinkDetails => number.CompareTo((1, 1, 0)) >= 0;

    /// <summary>Exact match only: "1.1" or "v1.1.0" are no version.</summary>
    public static CniVersion? Find(string text) => All.FirstOrDefault(v => v.Text == text);

    public override string ToString() => Text;

    /// <summary>
    /// Reads one to three numbers joined by dots, absent ones being 0, as the reference library does where it compares
    /// rather than matches; null for anything else.
    /// </summary>
    internal static (int Major, int Minor, int Patch)? ParseNumber(string text)
    {
        var parts = text.Split('.');
        if (parts.Length > 3)
        {
            return null;
        }

        Span<int> numbers = [0, 0, 0];
        for (var i = 0; i < parts.Length; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
            {
                return null;
            }
        }

        return (numbers[0], numbers[1], numbers[2]);
    }

    /// <summary>
    /// The version a configuration asks for, allowed for the command.
    /// </summary>
    /// <param name="declared">The configuration's cniVersion; "" is 0.1.0.</param>
    /// <param name="command">CHECK needs 0.4.0, GC and STATUS need 1.1.0.</param>
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.IncompatibleVersion"/>, or <see cref="CniErrorCode.DecodingFailure"/> where the version of a
    /// CHECK, GC or STATUS has no order because it is not made of numbers.
    /// </exception>
    public static CniVersion Resolve(string declared, CniCommand command)
    {
        if (declared.Length == 0)
        {
            declared = Oldest.Text;
        }

        (string Name, (int, int, int) Since)? gate = command switch
        {
            CniCommand.Check => ("CHECK", (0, 4, 0)),
            CniCommand.GarbageCollection => ("GC", (1, 1, 0)),
            CniCommand.Status => ("STATUS", (1, 1, 0)),
            _ => null,
        };
        if (gate is { } g)
        {
            var asked = ParseNumber(declared) ?? throw new CniException(
                CniErrorCode.DecodingFailure, $"decoding version from network config: invalid version \"{declared}\"");
            if (asked.CompareTo(g.Since) < 0)
            {
                throw new CniException(CniErrorCode.IncompatibleVersion, $"config version does not allow {g.Name}");
            }

            if (asked.CompareTo(Newest.number) > 0)
            {
                throw new CniException(CniErrorCode.IncompatibleVersion, $"plugin version does not allow {g.Name}");
            }
        }

        return Find(declared) ?? throw new CniException(
            CniErrorCode.IncompatibleVersion,
            "incompatible CNI versions",
            $"config is \"{declared}\", plugin supports [{string.Join(' ', All.Select(v => $"\"{v}\""))}]");
    }
}
