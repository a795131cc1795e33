namespace CniIsolator.Testbed;

/// <summary>Programs that were taken out of Debian packages without installing these (`tests/deps.sh`).</summary>
public static class Tools
{
    /// <summary>Prometheus' own judge of metrics, configurations, rules and expressions.</summary>
    public static string Promtool => At("usr/bin/promtool");

    /// <summary>The place of a file of a package under artifacts/tools.</summary>
    public static string At(string path)
    {
        string found = Path.Combine(Repository.Root, "artifacts", "tools", path);
        return File.Exists(found) ? found : throw new FileNotFoundException($"{found} is missing: run `make deps-test deps-extra`");
    }
}
