using System.Diagnostics;

namespace CniIsolator.Run;

/// <summary>A project that runs.</summary>
public sealed class RunningProject : IDisposable
{
    private readonly string _results;
    private readonly StreamWriter _log;
    private readonly Process _process;
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private long _lastProgress = Stopwatch.GetTimestamp();
    private string? _ended;

    private RunningProject(TestProject project, string root, string results, string? filter)
    {
        (Project, _results) = (project, results);
        _log = new StreamWriter(Path.Combine(results, $"{project.Name}.log")) { AutoFlush = true };
        ProcessStartInfo start = project.Command(results, filter);
        start.WorkingDirectory = root;
        _process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} did not start");
        _process.StandardInput.Close();
        _process.OutputDataReceived += (_, line) => Take(line.Data);
        _process.ErrorDataReceived += (_, line) => Take(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public TestProject Project { get; }

    public LiveOutput Output { get; } = new();

    public TimeSpan Time => _watch.Elapsed;

    /// <summary>How long no test has ended, and nothing was printed.</summary>
    public TimeSpan Silence => Stopwatch.GetElapsedTime(Interlocked.Read(ref _lastProgress));

    public bool HasExited => _process.HasExited;

    public static RunningProject Start(TestProject project, string root, string results, string? filter) => new(project, root, results, filter);

    /// <summary>Ends it with all that it started.</summary>
    /// <param name="why">Null where the run as a whole is given up.</param>
    public void End(string? why)
    {
        if (why is not null)
        {
            string[] still = [.. Output.StillRunning];
            string tests = still.Length > 0 ? $"running: {string.Join(", ", still)}" : "no test was known to run";
            _ended = $"{why}; {tests}\n{ProcessTree.Describe(_process.Id)}";
            lock (_log)
            {
                _log.WriteLine(_ended);
            }
        }

        ProcessTree.End(_process);
    }

    /// <summary>What came of it, once it has exited.</summary>
    public ProjectOutcome Outcome()
    {
        // Its output may be a moment behind; of what a grandchild that lives on holds open no end is waited for.
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(5));
        try
        {
            _process.WaitForExitAsync(patience.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            // The result file tells the rest.
        }

        return Judge(Project.Name, Path.Combine(_results, $"{Project.Name}.trx"), _process.ExitCode, _ended, Output.Tail, Time);
    }

    /// <summary>Puts together what the result file, the exit code and the output say.</summary>
    /// <param name="name">The project's.</param>
    /// <param name="file">Its result file, if there is one.</param>
    /// <param name="exitCode">That of the program that ran it.</param>
    /// <param name="ended">Why the runner ended it, if it did.</param>
    /// <param name="tail">The last lines of its output.</param>
    /// <param name="time">How long it ran.</param>
    public static ProjectOutcome Judge(string name, string file, int exitCode, string? ended, string tail, TimeSpan time)
    {
        List<TestOutcome> tests = [];
        string? fault = ended;
        try
        {
            if (File.Exists(file))
            {
                (tests, string? aborted) = ResultFile.Read(file);
                fault ??= aborted;
            }
            else
            {
                fault ??= $"no result file (exit code {exitCode})\n{tail}";
            }
        }
        catch (InvalidDataException e)
        {
            fault ??= $"{e.Message} (exit code {exitCode})\n{tail}";
        }

        if (fault is null && tests.Count == 0)
        {
            fault = $"not one test ran (exit code {exitCode})\n{tail}";
        }

        // A test that failed explains an exit code; nothing else does.
        if (fault is null && exitCode != 0 && !tests.Exists(test => test.Verdict == Verdict.Failed))
        {
            fault = $"ended with exit code {exitCode}\n{tail}";
        }

        return new ProjectOutcome(name, tests, fault, time);
    }

    public void Dispose()
    {
        _process.Dispose();
        lock (_log)
        {
            _log.Dispose();
        }
    }

    private void Take(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_log)
        {
            if (_log.BaseStream is not null)
            {
                _log.WriteLine(line);
            }
        }

        if (Output.Add(line))
        {
            Interlocked.Exchange(ref _lastProgress, Stopwatch.GetTimestamp());
        }
    }
}
