using System.Globalization;

namespace CniIsolator.DataPath;

/// <summary>Where on the master the fq_codel with one flow per container goes: the root, or below a class.</summary>
/// <param name="Handle">The parent as in struct tcmsg: major in the upper 16 bits, minor in the lower.</param>
public readonly record struct FlowClassifierParent(uint Handle)
{
    /// <summary>The configuration's key for it.</summary>
    public const string Key = "egressFlowClassifierParent";

    /// <summary>The configuration's key that asks for flows.</summary>
    public const string UniqueFlowKey = "egressUniqueFlowPerContainer";

    private const uint RootHandle = 0xffff_ffff; // TC_H_ROOT

    public static readonly FlowClassifierParent Root = new(RootHandle);

    public bool IsRoot => Handle == RootHandle;

    public ushort Major => (ushort)(Handle >> 16);

    public ushort Minor => (ushort)Handle;

    /// <summary>
    /// Reads "root" or "maj:min", both parts hexadecimal as tc(8) writes them, 1 to fffe and 0 to fffe; an empty minor
    /// is 0.
    /// </summary>
    public static bool TryParse(string text, out FlowClassifierParent parent)
    {
        parent = Root;
        if (text.Equals("root", StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        var parts = text.Split(':');
        if (parts.Length != 2
            || !TryParsePart(parts[0], out var major)
            || !TryParsePart(parts[1].Length == 0 ? "0" : parts[1], out var minor)
            || major is 0 or ushort.MaxValue
            || minor == ushort.MaxValue)
        {
            return false;
        }

        parent = new FlowClassifierParent(((uint)major << 16) | minor);
        return true;
    }

    public override string ToString() =>
        IsRoot ? "root" : string.Create(CultureInfo.InvariantCulture, $"{Major:x}:{Minor:x}");

    private static bool TryParsePart(string text, out ushort part) =>
        ushort.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out part);
}
