using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace CniIsolator.Run;

/// <summary>A process with all that it started: to say what hangs, and to end it.</summary>
public static class ProcessTree
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(15);

    /// <summary>Each process of the tree with its command line, where in the kernel each of its threads stands, and its children below it.</summary>
    public static string Describe(int root)
    {
        StringBuilder text = new();
        ILookup<int, int> children = Children();
        Append(root, 0);
        return text.ToString();

        void Append(int id, int depth)
        {
            string indent = new(' ', 2 * depth);
            string command = Read(id, "cmdline").Replace('\0', ' ').Trim();
            text.AppendLine(CultureInfo.InvariantCulture, $"{indent}{id} {(command.Length > 200 ? command[..200] : command)}");
            foreach (string place in Places(id))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"{indent}  at {place}");
            }

            foreach (int child in children[id])
            {
                Append(child, depth + 1);
            }
        }
    }

    /// <summary>Asks the process and all below it to end, and ends what does not. By their ids alone.</summary>
    public static void End(Process root)
    {
        ArgumentNullException.ThrowIfNull(root);
        List<int> all = All(root.Id);
        Signal(all, "TERM");
        if (!root.WaitForExit(Grace))
        {
            all = [.. all.Union(All(root.Id))];
        }

        // What lost its parent meanwhile is still the same process.
        Signal([.. all.Where(id => Directory.Exists($"/proc/{id}"))], "KILL");
        root.WaitForExit(Grace);
    }

    private static List<int> All(int root)
    {
        ILookup<int, int> children = Children();
        List<int> found = [root];
        for (int i = 0; i < found.Count; i++)
        {
            found.AddRange(children[found[i]]);
        }

        return found;
    }

    private static void Signal(List<int> ids, string signal)
    {
        if (ids.Count > 0)
        {
            // There may be none left of them.
            ProcessStartInfo start = new("kill", [$"-{signal}", .. ids.Select(id => $"{id}")]) { RedirectStandardError = true };
            using Process? kill = Process.Start(start);
            kill?.WaitForExit();
        }
    }

    private static ILookup<int, int> Children() => Directory.EnumerateDirectories("/proc").Select(path => Path.GetFileName(path))
        .Where(name => char.IsAsciiDigit(name[0])).Select(name => int.Parse(name, CultureInfo.InvariantCulture))
        .Select(id => (Id: id, Parent: Parent(id))).Where(one => one.Parent > 0).ToLookup(one => one.Parent, one => one.Id);

    /// <summary>The second field behind the name, which may itself have spaces and brackets.</summary>
    private static int Parent(int id)
    {
        string stat = Read(id, "stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > 1 ? int.Parse(fields[1], CultureInfo.InvariantCulture) : 0;
    }

    /// <summary>The kernel's stack of each thread, of many that stand at the same place one.</summary>
    private static IEnumerable<string> Places(int id)
    {
        string tasks = $"/proc/{id}/task";
        string[] threads;
        try
        {
            threads = [.. Directory.EnumerateDirectories(tasks).Select(path => Path.GetFileName(path))];
        }
        catch (IOException)
        {
            return [];
        }

        return threads.Select(thread => string.Join(" < ", Read(id, $"task/{thread}/stack").Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => line[(line.IndexOf(']', StringComparison.Ordinal) + 1)..].Trim().Split('+')[0]).Take(6)))
            .Where(place => place.Length > 0).GroupBy(place => place)
            .Select(group => group.Count() > 1 ? $"{group.Key} ({group.Count()} threads)" : group.Key);
    }

    private static string Read(int id, string name)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/{name}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended.
            return "";
        }
    }
}
