namespace CniIsolator.DataPath;

/// <summary>What CHECK found to be otherwise than ADD had made it.</summary>
public sealed class DifferenceList
{
    private readonly List<string> _differences = [];

    public int Count => _differences.Count;

    public void Add(string subject, string expected, string found) =>
        _differences.Add($"{subject}: expected {expected}, found {found}");

    public void Compare<T>(string subject, T expected, T found)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, found))
        {
            Add(subject, $"{expected}", found is null ? "none" : $"{found}");
        }
    }

    public IReadOnlyList<string> All => _differences;

    public override string ToString() => string.Join("; ", _differences);
}
