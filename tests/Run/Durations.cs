using System.Text.Json;

namespace CniIsolator.Run;

/// <summary>
/// How long each project took in the last run, and how many tests it had, kept beside the results; the plan's figures where nothing is known.
/// </summary>
public sealed class Durations
{
    private readonly string _path;
    private readonly Dictionary<string, Took> _known;

    public Durations(string path)
    {
        _path = path;
        _known = Read(path);
    }

    public Took Of(ProjectPlan project)
    {
        ArgumentNullException.ThrowIfNull(project);
        return _known.TryGetValue(project.Name, out Took? took) ? took : new Took(project.Seconds, project.Tests);
    }

    /// <summary>Remembers one that ran to its end.</summary>
    public void Set(string name, TimeSpan time, int tests)
    {
        _known[name] = new Took(Math.Round(time.TotalSeconds, 1), tests);
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        File.WriteAllText(_path, JsonSerializer.Serialize(new SortedDictionary<string, Took>(_known, StringComparer.Ordinal), Indented));
    }

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static Dictionary<string, Took> Read(string path)
    {
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<Dictionary<string, Took>>(File.ReadAllText(path)) ?? [] : [];
        }
        catch (JsonException)
        {
            // An estimate is not worth a failure.
            return [];
        }
    }

    public sealed record Took(double Seconds, int Tests);
}
