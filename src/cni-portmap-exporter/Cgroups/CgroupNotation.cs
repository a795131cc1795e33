using System.Text;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Cgroups;

/// <summary>What runtimes call a cgroup, turned into its path.</summary>
internal static class CgroupNotation
{
    private const string Slice = ".slice";

    /// <summary>
    /// The path below the hierarchy's root, beginning with a slash; null for what names no cgroup, or the root. Three notations are known: a path; a systemd
    /// slice, "kubepods-burstable-podX.slice", which is inside kubepods.slice and kubepods-burstable.slice (systemd.slice(5)); and "SLICE:PREFIX:NAME",
    /// the unit PREFIX-NAME.scope in that slice, or in system.slice if none is named (runc's and crun's systemd drivers).
    /// </summary>
    public static string? ToPath(string notation)
    {
        if (CgroupPath.FindFault(notation) is not null)
        {
            return null;
        }

        if (!notation.StartsWith('/') && notation.Split(':') is [var slice, var prefix, { Length: > 0 } name])
        {
            var parent = slice.Length == 0 ? "/system.slice" : slice.Contains('/', StringComparison.Ordinal) ? Plain(slice) : Expand(slice);
            return parent is null ? null
                : parent + "/" + (name.EndsWith(Slice, StringComparison.Ordinal) ? name : prefix.Length == 0 ? $"{name}.scope" : $"{prefix}-{name}.scope");
        }

        return notation.Contains('/', StringComparison.Ordinal) || !notation.EndsWith(Slice, StringComparison.Ordinal) ? Plain(notation) : Expand(notation);
    }

    private static string? Plain(string path) => path.Trim('/') is { Length: > 0 } trimmed ? "/" + trimmed : null;

    private static string? Expand(string slice)
    {
        if (!slice.EndsWith(Slice, StringComparison.Ordinal))
        {
            return null;
        }

        var name = slice.AsSpan(0, slice.Length - Slice.Length);
        if (name.IsEmpty || name[0] == '-' || name[^1] == '-' || name.Contains("--", StringComparison.Ordinal))
        {
            return null;
        }

        var path = new StringBuilder();
        for (var i = 0; i <= name.Length; i++)
        {
            if (i == name.Length || name[i] == '-')
            {
                path.Append('/').Append(name[..i]).Append(Slice);
            }
        }

        return path.ToString();
    }
}
