using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Kernels.Tests;

/// <summary>A kernel of Debian's in an emulator, and what it said of each statement of init.sh.</summary>
/// <param name="package">The package that depends on the newest kernel of its series.</param>
public abstract partial class Guest(string package) : IAsyncLifetime
{
    // A guest that says nothing for so long hangs. Its slowest statement takes some seconds on an idle machine.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly ConcurrentDictionary<string, string> _said = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _lines = new();
    private long _heard;

    /// <summary>All that was said, for a failure.</summary>
    public string Everything => string.Join('\n', _lines);

    public string? Kernel { get; private set; }

    public bool Finished { get; private set; }

    /// <summary>Names of all statements that were made in a mode, in their order.</summary>
    public IEnumerable<string> Statements(string mode) =>
        _lines.Select(line => Statement().Match(line))
            .Where(said => said.Success && said.Groups[2].Value == mode)
            .Select(said => said.Groups[3].Value);

    /// <summary>"ok", why not, or null where nothing was said of it.</summary>
    public string? Verdict(string mode, string name) => _said.GetValueOrDefault($"{mode} {name}");

    public async Task InitializeAsync()
    {
        ProcessStartInfo start = new(Path.Combine(Repository.Root, "tests", "kernels", "boot.sh"), [package])
        {
            RedirectStandardInput = true, // Held open: the guest ends when it is closed, also when this process is killed.
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process guest = Process.Start(start)!;
        _heard = Stopwatch.GetTimestamp();
        guest.OutputDataReceived += (_, line) => Hear(line.Data);
        guest.ErrorDataReceived += (_, line) => Hear(line.Data);
        guest.BeginOutputReadLine();
        guest.BeginErrorReadLine();
        using CancellationTokenSource silence = new();
        Task ended = guest.WaitForExitAsync(CancellationToken.None);
        while (await Task.WhenAny(ended, Task.Delay(TimeSpan.FromSeconds(1), CancellationToken.None)).ConfigureAwait(false) != ended)
        {
            if (Stopwatch.GetElapsedTime(Interlocked.Read(ref _heard)) > Patience)
            {
                _lines.Enqueue($"(said nothing for {Patience.TotalMinutes} minutes, and was ended)");
                guest.StandardInput.Close();
                await ended.ConfigureAwait(false);
                break;
            }
        }
    }

    public Task DisposeAsync() => Task.CompletedTask;

    private void Hear(string? line)
    {
        if (line is null)
        {
            return;
        }

        Interlocked.Exchange(ref _heard, Stopwatch.GetTimestamp());
        line = line.TrimEnd('\r');
        _lines.Enqueue(line);
        if (Statement().Match(line) is { Success: true } said)
        {
            _said[$"{said.Groups[2].Value} {said.Groups[3].Value}"] = said.Groups[1].Value == "ok" ? "ok" : said.Groups[4].Value;
        }
        else if (KernelLine().Match(line) is { Success: true } kernel)
        {
            Kernel = kernel.Groups[1].Value;
        }
        else if (line == "finished")
        {
            Finished = true;
        }
    }

    [GeneratedRegex("^(ok|FAIL) (types|notypes) ([^:]+)(?:: (.*))?$")]
    private static partial Regex Statement();

    // The emulator's firmware leaves its own signs at the beginning of this line.
    [GeneratedRegex(@"kernel (\d+\.\d+\S*)$")]
    private static partial Regex KernelLine();
}

/// <summary>What Debian 12 installs.</summary>
public sealed class Linux61() : Guest("linux-image-cloud-amd64");

/// <summary>What Debian 12 offers beside it, and Debian 13 installs.</summary>
public sealed class Linux612() : Guest("linux-image-6.12-cloud-amd64");
