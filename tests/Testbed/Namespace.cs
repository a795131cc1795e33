using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace CniIsolator.Testbed;

/// <summary>
/// A network namespace of the test's own, named in /run/netns after the process that made it, so that a later run can tell
/// whether its maker still lives (see <see cref="Leftovers"/>).
/// </summary>
public sealed class Namespace : IDisposable
{
    /// <summary>Where `ip netns` keeps its names.</summary>
    public const string Directory = "/run/netns";

    internal const string Prefix = "pmit-";

    private static readonly ConcurrentDictionary<string, Namespace> Living = new(StringComparer.Ordinal);
    private static int _count;

    private readonly ConcurrentDictionary<int, Process> _children = new();
    private int _disposed;

    static Namespace()
    {
        Leftovers.Sweep();
        MountDirectory();
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            foreach (Namespace left in Living.Values)
            {
                left.Dispose();
            }
        };
    }

    /// <summary>
    /// The first `ip netns add` of a boot mounts the directory over itself. Of a namespace that was mounted there before, a second mount stays below,
    /// out of reach, and its file can never be removed. So `ip` comes first, which also keeps others from doing the same meanwhile.
    /// </summary>
    private static void MountDirectory()
    {
        if (IsDirectoryMounted)
        {
            return;
        }

        string first = $"{Prefix}{Environment.ProcessId}-0-first";
        CommandResult.Run("ip", "netns", "add", first).Require();
        CommandResult.Run("ip", "netns", "del", first).Require();
    }

    /// <summary>Whether <see cref="Directory"/> is a mount of its own: the fifth field of proc(5)'s mountinfo is where something is mounted.</summary>
    public static bool IsDirectoryMounted => File.ReadLines("/proc/self/mountinfo").Any(line => line.Split(' ')[4] == Directory);

    private Namespace(string name)
    {
        Name = name;
        Path = System.IO.Path.Combine(Directory, name);
    }

    /// <summary>The name for `ip netns`.</summary>
    public string Name { get; }

    /// <summary>The path for CNI_NETNS.</summary>
    public string Path { get; }

    /// <summary>Makes a fresh namespace: nothing in it but a loopback that is down.</summary>
    public static Namespace Create(string role)
    {
        System.IO.Directory.CreateDirectory(Directory);
        Namespace made = new($"{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _count)}-{role}");
        File.WriteAllBytes(made.Path, []);
        Living[made.Name] = made;
        try
        {
            OnThread<object?>(() =>
            {
                Native.Check(Native.Unshare(Native.CloneNewNet), "unshare(CLONE_NEWNET)");
                Native.Check(Native.Mount("/proc/thread-self/ns/net", made.Path, "none", Native.MountBind, 0), $"mount on {made.Path}");
                return null;
            });
        }
        catch
        {
            made.Dispose();
            throw;
        }

        return made;
    }

    /// <summary>Runs the function on a thread of its own that has entered the namespace. Sockets made there stay in the namespace.</summary>
    public T Run<T>(Func<T> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        return OnThread(() =>
        {
            int descriptor = Native.Check(Native.Open(Path, Native.OpenReadOnlyCloseOnExec), $"open {Path}");
            try
            {
                Native.Check(Native.SetNamespace(descriptor, Native.CloneNewNet), $"setns {Path}");
            }
            finally
            {
                _ = Native.Close(descriptor);
            }

            return function();
        });
    }

    /// <inheritdoc cref="Run{T}(Func{T})"/>
    public void Run(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        Run<object?>(() =>
        {
            action();
            return null;
        });
    }

    /// <summary>
    /// Starts a program inside the namespace. The child is forked from the calling thread, so it is in the namespace from its first
    /// instruction, without the cost of `ip netns exec`. Whatever still runs is killed when the namespace is disposed of.
    /// </summary>
    public Process Start(ProcessStartInfo start)
    {
        Process process = Run(() => Tools.Start(start));
        int id = process.Id;
        _children[id] = process;
        process.Exited += (_, _) => _children.TryRemove(id, out _);
        process.EnableRaisingEvents = true;
        return process;
    }

    /// <summary>Starts a program with its output discarded: a server to be stopped with the namespace, or by its <see cref="Process.Kill()"/>.</summary>
    public Process Start(string command, params string[] arguments)
    {
        Process process = Start(Redirected(command, arguments));
        process.StandardInput.Close();
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    /// <summary>Runs a program inside the namespace to its end, unless it does nothing at all for a minute. A failure is in the result, not an exception.</summary>
    public CommandResult Execute(string command, params string[] arguments) => ExecuteAsync(command, arguments).GetAwaiter().GetResult();

    /// <summary>The same without blocking, with input and another bound on doing nothing where wanted.</summary>
    public async Task<CommandResult> ExecuteAsync(string command, IEnumerable<string> arguments, string? input = null, TimeSpan? limit = null)
    {
        ProcessStartInfo start = Redirected(command, arguments);
        string line = $"[{Name}] {command} {string.Join(' ', start.ArgumentList)}";
        (CommandResult result, _) = await CommandResult.CompleteAsync(Start(start), line, input, limit ?? TimeSpan.FromMinutes(1)).ConfigureAwait(false);
        return result;
    }

    /// <summary>`ip` with the words of one line; throws when it fails.</summary>
    public string Ip(string line) => Execute("ip", line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Require();

    /// <summary>`tc` with the words of one line; throws when it fails.</summary>
    public string Tc(string line) => Execute("tc", line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Require();

    /// <summary>Several `ip` commands in one process.</summary>
    public void IpBatch(params string[] lines) => ExecuteAsync("ip", ["-batch", "-"], string.Join('\n', lines) + "\n").GetAwaiter().GetResult().Require();

    /// <summary>Several `tc` commands in one process.</summary>
    public void TcBatch(params string[] lines) => ExecuteAsync("tc", ["-batch", "-"], string.Join('\n', lines) + "\n").GetAwaiter().GetResult().Require();

    /// <summary>Reads a sysctl by its path under /proc/sys, such as `net/ipv4/conf/lo/rp_filter`.</summary>
    public string Sysctl(string name) => Run(() => File.ReadAllText(SysctlPath(name)).TrimEnd('\n'));

    /// <summary>Writes a sysctl of this namespace.</summary>
    public void Sysctl(string name, string value) => Run(() => File.WriteAllText(SysctlPath(name), value));

    /// <summary>Writes several sysctls of this namespace.</summary>
    public void Sysctls(params (string Name, string Value)[] settings) => Run(() =>
    {
        foreach ((string name, string value) in settings)
        {
            File.WriteAllText(SysctlPath(name), value);
        }
    });

    /// <summary>Removes the name and kills what was started inside. The kernel frees the namespace once the last socket in it is closed.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        foreach (Process child in _children.Values)
        {
            try
            {
                child.Kill();
            }
            catch (InvalidOperationException)
            {
                // It has ended by itself.
            }
        }

        Living.TryRemove(Name, out _);
        Leftovers.Remove(Path);
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static string SysctlPath(string name) => $"/proc/sys/{name}";

    private static ProcessStartInfo Redirected(string command, IEnumerable<string> arguments) => new(command, arguments)
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        UseShellExecute = false,
    };

    /// <summary>A thread that has changed its namespace must not go back to the pool: it ends here.</summary>
    private static T OnThread<T>(Func<T> function)
    {
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                result = function();
            }
            catch (Exception error)
            {
                failure = ExceptionDispatchInfo.Capture(error);
            }
        })
        { IsBackground = true };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }
}
