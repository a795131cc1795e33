using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>The messages in README's table are those that the programs have.</summary>
public sealed partial class TroubleshootingTests
{
    private static readonly string[] Sources =
        [.. Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories).Where(p => !p.Contains("/obj/"))
            .Select(path => Key().Replace(File.ReadAllText(path), key => key.Groups[1].Value.ToLowerInvariant() + key.Groups[2].Value))];

    private static readonly string[] Rows = [.. ReadRows()];

    public static TheoryData<string> Messages => [.. Rows.SelectMany(MessagesOf)];

    [Theory]
    [MemberData(nameof(Messages))]
    public void Is_a_message_of_the_programs(string message)
    {
        // What stands for a value is left out, and so is a word alone: the key or the value that a message begins with.
        var fixedParts = message.Split('…').Select(part => part.Trim(' ', '"', '[', ']', ':')).Where(part => part.Contains(' ')).ToList();
        Assert.NotEmpty(fixedParts);
        Assert.Contains(Sources, source => fixedParts.TrueForAll(part => source.Contains(part, StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_code_of_the_plugin_that_an_operator_may_meet_is_there()
    {
        var told = Rows.SelectMany(row => Code().Matches(row.Split('|')[1])).Select(m => int.Parse(m.Groups[1].Value)).ToHashSet();
        Assert.Empty(((int[])[1, 2, 4, 6, 7, 8, 11, 100, 101, 102, 103, 104, 105, 106, 107]).Except(told));
    }

    [Fact]
    public void Every_row_has_a_cause_and_a_remedy() => Assert.All(Rows, row =>
    {
        var cells = row.Split('|');
        Assert.Equal(5, cells.Length);
        Assert.True(cells[2].Trim().Length > 10 && cells[3].Trim().Length > 5, row);
    });

    private static IEnumerable<string> ReadRows()
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        var begin = readme.IndexOf("## Troubleshooting", StringComparison.Ordinal);
        var section = readme[begin..readme.IndexOf("\n## ", begin + 1, StringComparison.Ordinal)];
        return section.Split('\n').Where(line => line.StartsWith('|')).Skip(2);
    }

    /// <summary>Not those of other programs, nor rows without one.</summary>
    private static IEnumerable<string> MessagesOf(string row) =>
        row.Split('|')[1] is var cell && cell.Contains("by the plugin") ? [] : Quoted().Matches(cell).Select(m => m.Groups[1].Value).Where(m => m.Contains(' '));

    // A key of the configuration in a message; the constant has the key's name with a capital.
    [GeneratedRegex(@"\{ConfigurationKeys\.(\w)(\w*)\}")]
    private static partial Regex Key();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"\((\d+)\)")]
    private static partial Regex Code();
}
