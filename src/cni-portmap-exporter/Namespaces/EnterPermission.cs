using System.Globalization;

namespace CniIsolator.Exporter.Namespaces;

/// <summary>Whether this process may enter other network namespaces at all: setns(2) wants CAP_SYS_ADMIN.</summary>
internal static class EnterPermission
{
    private const int SysAdmin = 21; // CAP_SYS_ADMIN, linux/capability.h

    // The effective set, in hexadecimal: proc_pid_status(5).
    private const string Field = "CapEff:";

    /// <summary>True also where that cannot be told: then trying tells.</summary>
    public static bool IsGranted()
    {
        foreach (var line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith(Field, StringComparison.Ordinal))
            {
                return !ulong.TryParse(line.AsSpan(Field.Length).Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var set)
                    || (set >> SysAdmin & 1) != 0;
            }
        }

        return true;
    }
}
