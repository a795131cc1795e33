using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace CniIsolator.Testbed;

/// <summary>What a program printed, and how it ended.</summary>
public sealed partial record CommandResult(string CommandLine, int ExitCode, string Output, string Error)
{
    /// <summary>The code in an operator's message, "error 11: ..."; null where there is none.</summary>
    public int? ErrorCode => CodeOfError().Match(Error) is { Success: true } found ? int.Parse(found.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null;

    /// <summary>The output of a program that must have succeeded.</summary>
    public string Require() => ExitCode == 0
        ? Output
        : throw new InvalidOperationException($"{CommandLine}: exit code {ExitCode}: {Error.Trim()} {Output.Trim()}");

    /// <summary>Runs a program in this process's own namespaces to its end, unless it does nothing at all for a minute. A failure is in the result, not an exception.</summary>
    public static CommandResult Run(string command, params string[] arguments) => RunIn("", TimeSpan.FromMinutes(1), command, arguments);

    /// <summary>The same in a directory, with another bound on doing nothing.</summary>
    public static CommandResult RunIn(string directory, TimeSpan limit, string command, params string[] arguments)
    {
        ProcessStartInfo start = new(command, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = directory,
        };
        Process process = Tools.Start(start);
        string line = $"{command} {string.Join(' ', arguments)}";
        return CompleteAsync(process, line, input: null, limit).GetAwaiter().GetResult().Result;
    }

    /// <summary>Feeds a started process and waits for it. One that makes no progress for the limit is killed, by its id.</summary>
    internal static async Task<(CommandResult Result, bool TimedOut)> CompleteAsync(Process process, string commandLine, string? input, TimeSpan limit)
    {
        using (process)
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> error = process.StandardError.ReadToEndAsync();
            Task feed = FeedAsync(process, input);
            Task ended = Task.WhenAll(feed, output, error, process.WaitForExitAsync(CancellationToken.None));
            ProgressBound bound = new(process.Id, limit);
            bool timedOut = false;
            while (!timedOut)
            {
                try
                {
                    await ended.WaitAsync(bound.Interval).ConfigureAwait(false);
                    break;
                }
                catch (TimeoutException)
                {
                    timedOut = bound.IsExceeded();
                }
            }

            if (timedOut)
            {
                process.Kill();
                await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            }

            // A grandchild may still hold the pipes of a killed process: what it would print is not waited for.
            string printed = output.IsCompletedSuccessfully ? output.Result : "";
            string complaint = error.IsCompletedSuccessfully ? error.Result : "";
            return (new CommandResult(commandLine, timedOut ? -1 : process.ExitCode, printed, timedOut ? complaint + " (it made no progress)" : complaint), timedOut);
        }
    }

    private static async Task FeedAsync(Process process, string? input)
    {
        try
        {
            if (input != null)
            {
                await process.StandardInput.WriteAsync(input).ConfigureAwait(false);
            }

            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The program ended without reading its input, which it may.
        }
    }

    [GeneratedRegex(@"error (\d+):")]
    private static partial Regex CodeOfError();
}
