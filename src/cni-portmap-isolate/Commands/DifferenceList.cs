using CniIsolator.KernelState.Objects;

namespace CniIsolator.Plugin.Commands;

/// <summary>What CHECK found to be otherwise than ADD had made it.</summary>
internal sealed class DifferenceList
{
    private readonly List<Difference> _differences = [];

    public int Count => _differences.Count;

    public void Add(string subject, string expected, string found) => _differences.Add(new Difference(subject, expected, found));

    public void AddRange(IEnumerable<Difference> differences) => _differences.AddRange(differences);

    public void Compare<T>(string subject, T expected, T found)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, found))
        {
            Add(subject, $"{expected}", found is null ? "none" : $"{found}");
        }
    }

    public override string ToString() => string.Join("; ", _differences);
}
