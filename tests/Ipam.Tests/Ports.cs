using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Ipam.Tests;

/// <summary>Generators of ports, with the ends of the port space and of powers of two more often than chance has them.</summary>
internal static class Ports
{
    internal static readonly Gen<ushort> Port = Gen.OneOf(
        Gen.Choose(0, 65535),
        Gen.Choose(32760, 33100),
        Gen.Elements(0, 1, 2, 15, 16, 1023, 1024, 32767, 32768, 65519, 65520, 65534, 65535)).Select(p => (ushort)p);

    internal static readonly Gen<PortRange> Ranges =
        from a in Port
        from b in Port
        select new PortRange(Math.Min(a, b), Math.Max(a, b));

    internal static readonly Gen<PortSet> Sets =
        from length in Gen.Choose(0, 6)
        from wide in Ranges.ListOf(length / 2)
        from narrow in (from begin in Port from count in Gen.Choose(0, 40) select new PortRange(begin, (ushort)Math.Min(65535, begin + count))).ListOf(length)
        select PortSet.From(wide.Concat(narrow));
}
