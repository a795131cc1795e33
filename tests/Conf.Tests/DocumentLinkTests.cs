using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>What the documents lead to is there: files, headings, and the tables that a run of the benchmark has left.</summary>
public sealed partial class DocumentLinkTests
{
    private static readonly string[] Documents =
    [
        .. Directory.EnumerateFiles(Repository.Root, "*.md", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Repository.Root, path))
            .Where(path => !path.Split('/').Intersect(["bin", "obj", "artifacts", "golden", ".git"]).Any()),
    ];

    public static TheoryData<string> All() => [.. Documents];

    [Theory]
    [MemberData(nameof(All))]
    public void Links_lead_to_files_and_headings(string document)
    {
        List<string> broken = [];
        foreach (string target in Link().Matches(Prose(Read(document))).Select(link => link.Groups[1].Value))
        {
            if (target.Contains("://", StringComparison.Ordinal))
            {
                if (!Uri.TryCreate(target, UriKind.Absolute, out Uri? address) || address.Scheme != Uri.UriSchemeHttps)
                {
                    broken.Add(target);
                }

                continue;
            }

            string[] parts = target.Split('#', 2);
            string file = parts[0].Length == 0 ? document : Path.Combine(Path.GetDirectoryName(document)!, parts[0]);
            if (!Path.Exists(Path.Combine(Repository.Root, file)) || (parts.Length == 2 && !Anchors(Read(file)).Contains(parts[1])))
            {
                broken.Add(target);
            }
        }

        Assert.True(broken.Count == 0, $"{document} leads nowhere with {string.Join(", ", broken)}");
    }

    /// <summary>`docs/x.md`, `tests/Y`, `conf/z`: from the project's top or from the document's own directory.</summary>
    [Theory]
    [MemberData(nameof(All))]
    public void Files_that_are_named_exist(string document)
    {
        string[] missing =
        [
            .. ProjectPath().Matches(Prose(Read(document))).Select(m => m.Groups[1].Value.TrimEnd('/')).Distinct()
                .Where(path => !new[] { "", Path.GetDirectoryName(document)! }.Any(at => Exists(Path.Combine(Repository.Root, at, path)))),
        ];
        Assert.True(missing.Length == 0, $"{document} names {string.Join(", ", missing)}, which are not there");

        // A file of C# may be named without its ending.
        static bool Exists(string path) => Path.Exists(path) || File.Exists(path + ".cs");
    }

    [Fact]
    public void Measured_tables_are_those_of_the_run_whose_report_is_there()
    {
        string readme = Read("README.md");
        string[] names = [.. Measured().Matches(readme).Select(m => m.Groups[1].Value)];
        Assert.Equal(names.Order(), Directory.GetFiles(Path.Combine(Repository.Root, "docs", "measured"), "table-*.md").Select(f => Path.GetFileNameWithoutExtension(f)["table-".Length..]).Order());
        foreach (string name in names)
        {
            Assert.Contains($"<!-- measured: {name} -->\n\n{Read($"docs/measured/table-{name}.md")}\n<!-- end of {name} -->", readme, StringComparison.Ordinal);
        }
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    /// <summary>Without blocks of code, in which a bracket is no link.</summary>
    private static string Prose(string text) => Fence().Replace(text, "");

    /// <summary>As GitHub makes them of headings: small letters, no punctuation, spaces to dashes.</summary>
    private static HashSet<string> Anchors(string text) =>
        [.. Heading().Matches(Prose(text)).Select(m => Punctuation().Replace(m.Groups[1].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-'))];

    [GeneratedRegex(@"(?<!`)\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`((?:conf|docs|src|tests|packaging)/[A-Za-z0-9._/-]*)`")]
    private static partial Regex ProjectPath();

    [GeneratedRegex(@"^#{1,6} (.*)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\p{L}\p{N}\s_-]")]
    private static partial Regex Punctuation();

    [GeneratedRegex("^```.*?^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex("^<!-- measured: ([a-z]+) -->$", RegexOptions.Multiline)]
    private static partial Regex Measured();
}
