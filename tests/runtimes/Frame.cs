using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Runtimes.Tests;

/// <summary>
/// A host for a runtime that was written for a machine of its own: network, mounts and processes are the frame's, the directories for state are
/// empty, and all processes end with it, as it is a PID namespace whose first one the kernel lets nobody survive. What it cannot have for itself are
/// control groups: those that a runtime makes below <see cref="Name"/> are removed in the end.
/// </summary>
public sealed class Frame : IDisposable
{
    /// <summary>Where the plugin's records are, inside: the default.</summary>
    public const string StateDirectory = "/run/cni-portmap-isolate";

    private const string Groups = "/sys/fs/cgroup";
    private const string Prefix = "pmit-";

    private static int _count;

    private readonly Process _first;
    private ExporterProcess? _exporter;

    /// <param name="configurations">Files of the repository that are installed in /etc/cni/net.d.</param>
    public Frame(params string[] configurations)
    {
        SweepGroups();
        Name = $"{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _count)}-frame";
        Net = new Topology();
        try
        {
            // The zeros that a loopback begins with cannot be put back.
            Host.Ip("link set lo address 02:00:00:00:00:0a");
            Before = Bed.Settled(Host);
            _first = Host.Start(new ProcessStartInfo("unshare",
            [
                "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
                "bash", At("tests/runtimes/frame.sh"), Repository.Root, Plugin.DefaultBinary, .. configurations.Select(At),
            ])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            });
            if (_first.StandardOutput.ReadLine() != "ready")
            {
                throw new InvalidOperationException($"the frame did not come up: {_first.StandardError.ReadToEnd()}");
            }
        }
        catch
        {
            Net.Dispose();
            throw;
        }
    }

    /// <summary>Unique on this machine: for control groups, and for what has a name besides.</summary>
    public string Name { get; }

    public Topology Net { get; }

    public Namespace Host => Net.Host;

    /// <summary>The host before the plugin's first run.</summary>
    public KernelState Before { get; }

    /// <summary>The published exporter, inside; it is started by the first who asks.</summary>
    public ExporterProcess Exporter => _exporter ??=
        ExporterProcess.StartBy(["nsenter", .. Entry, "setpriv", "--pdeathsig", "KILL"], Host, StateDirectory, "--port-statistics");

    /// <summary>What "list --json" says.</summary>
    public JsonArray Attachments => JsonNode.Parse(Operator("list", "--json").Require())!.AsArray();

    /// <summary>Files of the plugin's store for attachments and the host, and those in which libcni keeps results.</summary>
    public IEnumerable<string> Kept =>
        from place in new[] { StateDirectory, "/var/lib/cni/results" }
        where Directory.Exists(Inside(place))
        from file in Directory.GetFiles(Inside(place))
        let name = Path.GetFileName(file)
        where place != StateDirectory || name.StartsWith("pmi", StringComparison.Ordinal) || name == "host.json"
        select $"{place}/{name}";

    // Enters the view of files, and becomes the parent of a process of the frame.
    private string[] Entry =>
    [
        $"--mount=/proc/{_first.Id}/ns/mnt", $"--pid=/proc/{_first.Id}/ns/pid_for_children", "--",
        "env", $"PATH={At("artifacts/tools/usr/bin")}:{At("artifacts/tools/usr/sbin")}:{Environment.GetEnvironmentVariable("PATH")}",
    ];

    /// <summary>A file of the repository.</summary>
    public static string At(string path) => Path.Combine(Repository.Root, path);

    /// <summary>Runs a program inside to its end. Words `NAME=value` before its name are for its environment.</summary>
    public CommandResult Execute(params string[] words) => Host.Execute("nsenter", [.. Entry, .. words]);

    /// <summary>Starts a program inside, with its output discarded.</summary>
    public Process Start(params string[] words) => Host.Start("nsenter", [.. Entry, .. words]);

    /// <summary>The plugin's command line.</summary>
    public CommandResult Operator(params string[] words) => Execute(["/opt/cni/bin/cni-portmap-isolate", .. words]);

    /// <summary>What "list --json" says of a container.</summary>
    public JsonObject Attachment(string id) => Attachments.Single(one => (string?)one!["containerId"] == id)!.AsObject();

    /// <summary>Writes a file of the frame's own.</summary>
    public void Write(string path, string text) => File.WriteAllText(Inside(path), text);

    public string Read(string path) => File.ReadAllText(Inside(path));

    /// <summary>It keeps the namespaces of containers open, for some seconds also those of containers that are gone.</summary>
    public void StopExporter()
    {
        _exporter?.Dispose();
        _exporter = null;
    }

    /// <summary>Nothing of any attachment is left, neither in the kernel nor in files.</summary>
    public void AssertClean()
    {
        Assert.Empty(Kept);
        Bed.Unchanged(Before, Host);
    }

    public void Dispose()
    {
        StopExporter();
        _first.StandardInput.Close();
        if (!_first.WaitForExit(Wait.Patience))
        {
            _first.Kill();
        }

        RemoveGroups(Name);
        Net.Dispose();
    }

    private string Inside(string path) => $"/proc/{_first.Id}/root{path}";

    /// <summary>Those of test processes that were killed.</summary>
    private static void SweepGroups()
    {
        foreach (string name in Hierarchies().SelectMany(top => Directory.GetDirectories(top, $"{Prefix}*-frame")).Select(path => Path.GetFileName(path)).Distinct())
        {
            if (int.TryParse(name.Split('-')[1], NumberStyles.None, CultureInfo.InvariantCulture, out int maker) && !Directory.Exists($"/proc/{maker}"))
            {
                RemoveGroups(name);
            }
        }
    }

    private static void RemoveGroups(string name)
    {
        foreach (string group in Hierarchies().Select(top => Path.Combine(top, name)).Where(Directory.Exists))
        {
            // A process that has just been killed leaves its group a little later.
            Wait.Until(() => TryRemove(group), $"{group} to be empty");
        }
    }

    /// <summary>The one of version 2, or those of version 1.</summary>
    private static IEnumerable<string> Hierarchies() => Directory.Exists(Groups) ? [Groups, .. Directory.GetDirectories(Groups)] : [];

    private static bool TryRemove(string group)
    {
        try
        {
            foreach (string inner in Directory.GetDirectories(group))
            {
                TryRemove(inner);
            }

            Directory.Delete(group);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
