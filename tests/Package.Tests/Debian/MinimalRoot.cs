using CniIsolator.Testbed;

namespace CniIsolator.Package.Tests.Debian;

/// <summary>
/// A Debian of its own to install into: copies of this machine's essential packages, of systemd and of what they depend on, with a package database
/// of just these. Nothing has to be fetched, and this machine's own files and database are only read. A command inside has mounts of its
/// own, which end with it, and this machine's network namespaces under their names; its network is that of the host it is run on.
/// </summary>
internal sealed class MinimalRoot : IDisposable
{
    private const string Enter = """
        set -e
        mount --rbind /proc "$1/proc"
        mount --rbind /dev "$1/dev"
        mkdir -p "$1/run/netns"
        mount --rbind /run/netns "$1/run/netns"
        exec chroot "$@"
        """;

    private static readonly string[] LeftOut = ["/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/", "/usr/share/zoneinfo/"];

    // The name of a directory that was moved into /usr.
    private static readonly string[] Merged =
        [.. new[] { "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" }.Where(path => new DirectoryInfo(path).LinkTarget is not null)];

    private readonly Scratch _place = new("root");

    public MinimalRoot()
    {
        try
        {
            Fill();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Words that have a command run inside.</summary>
    public string[] Wrapper => ["unshare", "--mount", "sh", "-c", Enter, "sh", _place.Path];

    public string At(string path) => _place.At(path);

    public CommandResult Run(Namespace host, string command, params string[] arguments) =>
        host.ExecuteAsync("env", ["-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", .. Wrapper, command, .. arguments],
            limit: TimeSpan.FromMinutes(3)).GetAwaiter().GetResult();

    /// <summary>
    /// Every file with its type, mode, owner, size and, below /etc, content. What dpkg and passwd write for themselves at each call is left
    /// out: the database's own files, its log, and the backups of the last user database.
    /// </summary>
    public IReadOnlyList<string> Snapshot()
    {
        string listed = CommandResult.Run("find", _place.Path, "-xdev", "-not", "-path", At("proc/*"), "-not", "-path", At("dev/*"),
            "(", "-type", "d", "-printf", "%y %m %U:%G /%P\n", "-o", "-printf", "%y %m %U:%G /%P %s %l\n", ")").Require();
        return
        [
            .. listed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !IsBookkeeping(line.Split(' ')[3]))
                .Select(line => line.Split(' ')[3] is var path && IsList(path) ? path
                    : line[0] == 'f' && path.StartsWith("/etc/", StringComparison.Ordinal) ? $"{line} {File.ReadAllText(At(path))}" : line)
                .Order(StringComparer.Ordinal),
        ];
    }

    public void Dispose() => _place.Dispose();

    private static bool IsBookkeeping(string path) =>
        (path.StartsWith("/var/lib/dpkg/", StringComparison.Ordinal) && !path.StartsWith("/var/lib/dpkg/info/", StringComparison.Ordinal))
        || path is "/var/log/dpkg.log" or "/var/log/alternatives.log" or "/etc/passwd-" or "/etc/group-" or "/etc/shadow-" or "/etc/gshadow-" or "/etc/.pwd.lock"
            or "/etc/subuid-" or "/etc/subgid-";

    /// <summary>dpkg writes the lists of others anew, too, without what they have twice.</summary>
    private static bool IsList(string path) => path.StartsWith("/var/lib/dpkg/info/", StringComparison.Ordinal);

    private static string AfterMerge(string path) =>
        Merged.FirstOrDefault(directory => path.StartsWith(directory + "/", StringComparison.Ordinal)) is null ? path : $"/usr{path}";

    private void Fill()
    {
        string[] packages = [.. Closure()];
        SortedSet<string> files = new(StringComparer.Ordinal);
        files.UnionWith(CommandResult.Run("dpkg-query", ["--listfiles", .. packages]).Require().Split('\n')
            .Where(path => path.StartsWith('/') && path != "/." && !Merged.Contains(path) && !LeftOut.Any(part => path.StartsWith(part, StringComparison.Ordinal)))
            .Select(AfterMerge));
        files.UnionWith(packages.SelectMany(ControlFiles));

        // What their maintainer scripts made.
        files.UnionWith(["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/usr/bin/awk", "/etc/alternatives/awk",
            "/var/lib/dpkg/info/format"]);
        string list = At("list");
        File.WriteAllText(list, string.Join('\0', files.Where(path => File.Exists(path) || Directory.Exists(path) || new FileInfo(path).LinkTarget is not null)));
        CommandResult.Run("bash", "-o", "pipefail", "-c", "tar --create --null --no-recursion --files-from=\"$1\" --file=- | tar -C \"$2\" --extract --file=-",
            "bash", list, _place.Path).Require();
        File.Delete(list);
        foreach (string link in Merged)
        {
            File.CreateSymbolicLink(At(link), new DirectoryInfo(link).LinkTarget!);
        }

        foreach (string directory in (string[])["proc", "dev", "run", "run/netns", "var/log", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "tmp"])
        {
            Directory.CreateDirectory(At(directory));
        }

        File.WriteAllText(At("var/lib/dpkg/status"), CommandResult.Run("dpkg-query", ["--status", .. packages]).Require() + "\n");
        File.WriteAllText(At("var/lib/dpkg/available"), "");
    }

    /// <summary>Lists, checksums and scripts of a package: PACKAGE.list, PACKAGE:amd64.list.</summary>
    private static IEnumerable<string> ControlFiles(string package) => Directory.EnumerateFiles("/var/lib/dpkg/info", $"{package}*")
        .Where(path => Path.GetFileNameWithoutExtension(path).Split(':')[0] == package);

    /// <summary>The essential packages, systemd, passwd, and the first alternative of each dependency that this machine has.</summary>
    private static HashSet<string> Closure()
    {
        Dictionary<string, string> dependencies = new(StringComparer.Ordinal), providers = new(StringComparer.Ordinal);
        Stack<string> pending = new(["systemd", "passwd"]);
        const string Format = "${db:Status-Abbrev}\t${Package}\t${Essential}\t${Pre-Depends}, ${Depends}\t${Provides}\n";
        foreach (string[] fields in CommandResult.Run("dpkg-query", "--show", "--showformat", Format).Require()
                     .Split('\n').Where(line => line.StartsWith("ii", StringComparison.Ordinal)).Select(line => line.Split('\t')))
        {
            dependencies[fields[1]] = fields[3];
            foreach (string provided in Names(fields[4], ','))
            {
                providers.TryAdd(provided, fields[1]);
            }

            if (fields[2] == "yes")
            {
                pending.Push(fields[1]);
            }
        }

        HashSet<string> closure = new(StringComparer.Ordinal);
        while (pending.TryPop(out string? package))
        {
            if (!dependencies.TryGetValue(package, out string? needed))
            {
                throw new InvalidOperationException($"the package {package} is not installed: run `make deps-test`");
            }

            if (closure.Add(package))
            {
                foreach (string alternatives in needed.Split(',', StringSplitOptions.RemoveEmptyEntries))
                {
                    string? found = Names(alternatives, '|').Select(name => dependencies.ContainsKey(name) ? name : providers.GetValueOrDefault(name))
                        .FirstOrDefault(name => name is not null);
                    if (found is not null)
                    {
                        pending.Push(found);
                    }
                }
            }
        }

        return closure;
    }

    /// <summary>"a (>= 1), b:any" without versions and architectures.</summary>
    private static IEnumerable<string> Names(string list, char separator) =>
        list.Split(separator, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(entry => entry.Split(' ')[0].Split(':')[0]);
}
