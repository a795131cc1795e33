using CniIsolator.Testbed;

namespace CniIsolator.Bench;

/// <summary>
/// Puts what a run has measured into the README and docs/measured. A table stands in the README between "&lt;!-- measured: NAME --&gt;" and
/// "&lt;!-- end of NAME --&gt;"; docs/measured has the same, the whole report, and the drawings.
/// </summary>
internal static class Readme
{
    /// <summary>How the files of the short tables are named.</summary>
    public const string Prefix = "table-";

    /// <returns>What was replaced.</returns>
    /// <exception cref="InvalidOperationException">There was no run, or the README has no place for a table.</exception>
    public static IReadOnlyList<string> Update()
    {
        string run = Path.Combine(Repository.Root, "artifacts", "bench");
        string measured = Path.Combine(Repository.Root, "docs", "measured");
        string readme = Path.Combine(Repository.Root, "README.md");
        string[] tables = Directory.Exists(run) ? [.. Directory.GetFiles(run, Prefix + "*.md").Order(StringComparer.Ordinal)] : [];
        if (tables.Length == 0)
        {
            throw new InvalidOperationException($"{run} has no tables: run the benchmark first");
        }

        string text = File.ReadAllText(readme);
        List<string> replaced = [];
        foreach (string table in tables)
        {
            string name = Path.GetFileNameWithoutExtension(table)[Prefix.Length..];
            text = Replace(text, name, File.ReadAllText(table));
            replaced.Add(name);
        }

        Directory.CreateDirectory(measured);
        foreach (string file in tables.Concat(Directory.GetFiles(run, "*.svg")).Append(Path.Combine(run, "report.md")))
        {
            File.Copy(file, Path.Combine(measured, Path.GetFileName(file)), overwrite: true);
        }

        File.WriteAllText(readme, text);
        return replaced;
    }

    private static string Replace(string text, string name, string table)
    {
        (string begin, string end) = ($"<!-- measured: {name} -->\n", $"<!-- end of {name} -->");
        int from = text.IndexOf(begin, StringComparison.Ordinal);
        int to = from < 0 ? -1 : text.IndexOf(end, from, StringComparison.Ordinal);
        return to < 0
            ? throw new InvalidOperationException($"the README has no place for the table {name}: {begin.Trim()} and {end}")
            : $"{text[..(from + begin.Length)]}\n{table}\n{text[to..]}";
    }
}
