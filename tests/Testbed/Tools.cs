using System.ComponentModel;
using System.Diagnostics;

namespace CniIsolator.Testbed;

/// <summary>Programs that were taken out of Debian packages without installing these (`tests/deps.sh`).</summary>
public static class Tools
{
    private const int NoSuchFile = 2; // ENOENT

    /// <summary>Prometheus' own judge of metrics, configurations, rules and expressions.</summary>
    public static string Promtool => At("usr/bin/promtool");

    /// <summary>The place of a file of a package under artifacts/tools.</summary>
    public static string At(string path)
    {
        string found = Path.Combine(Repository.Root, "artifacts", "tools", path);
        return File.Exists(found) ? found : throw new FileNotFoundException($"{found} is missing: run `make deps-test deps-extra`");
    }

    /// <summary>Starts a program, and says what to do about one that is not found.</summary>
    internal static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} did not start");
        }
        catch (Win32Exception missing) when (missing.NativeErrorCode == NoSuchFile)
        {
            throw new FileNotFoundException(
                $"{start.FileName} is not there: what tests start is of Debian's required packages or of one that the Makefile names (tests/path.sh)", missing);
        }
    }
}
