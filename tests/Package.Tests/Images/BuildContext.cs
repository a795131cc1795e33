using System.Text;
using System.Text.RegularExpressions;

namespace CniIsolator.Package.Tests.Images;

/// <summary>
/// The files that an engine is sent: a directory without what .dockerignore leaves out. A pattern matches a path or a directory above it, and the
/// last one that matches decides (https://docs.docker.com/build/concepts/context/#dockerignore-files).
/// </summary>
internal sealed class BuildContext(string root, string ignore)
{
    private readonly (Regex Pattern, bool Include)[] _rules =
    [
        .. ignore.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#')
            .Select(line => (Translate(line.TrimStart('!').Trim('/')), line[0] == '!')),
    ];

    public bool Contains(string path)
    {
        bool included = true;
        foreach ((Regex pattern, bool include) in _rules)
        {
            if (Ancestors(path).Any(pattern.IsMatch))
            {
                included = include;
            }
        }

        return included;
    }

    /// <summary>The context's files at or below a path.</summary>
    public IReadOnlyList<string> Files(string path)
    {
        string full = Path.Combine(root, path);
        IEnumerable<string> found = Directory.Exists(full) ? Directory.EnumerateFiles(full, "*", SearchOption.AllDirectories) : File.Exists(full) ? [full] : [];
        return [.. found.Select(file => Path.GetRelativePath(root, file)).Where(Contains).Order(StringComparer.Ordinal)];
    }

    /// <summary>Does what COPY does: of a directory, what is in it; to a path with a slash at its end, under its own name.</summary>
    public void Copy(IReadOnlyList<string> sources, string destination, string place)
    {
        bool intoDirectory = sources.Count > 1 || destination.EndsWith('/');
        foreach (string source in sources)
        {
            IReadOnlyList<string> files = Files(source);
            Assert.True(files.Count > 0, $"COPY {source}: the build context has no such file");
            foreach (string file in files)
            {
                string below = Directory.Exists(Path.Combine(root, source)) ? Path.GetRelativePath(source, file) : intoDirectory ? Path.GetFileName(file) : "";
                string target = Path.Combine(place, destination.Trim('/'), below).TrimEnd('/');
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(Path.Combine(root, file), target);
            }
        }
    }

    private static IEnumerable<string> Ancestors(string path)
    {
        for (string? part = path; !string.IsNullOrEmpty(part); part = Path.GetDirectoryName(part))
        {
            yield return part;
        }
    }

    private static Regex Translate(string pattern)
    {
        StringBuilder expression = new("^");
        for (int at = 0; at < pattern.Length; at++)
        {
            if (pattern.AsSpan(at).StartsWith("**/"))
            {
                expression.Append("(.*/)?");
                at += 2;
            }
            else
            {
                expression.Append(pattern[at] == '*' ? "[^/]*" : Regex.Escape(pattern[at].ToString()));
            }
        }

        return new Regex(expression.Append('$').ToString());
    }
}
