using System.Runtime.InteropServices;

namespace CniIsolator.Crash.Tests;

/// <summary>What a command says of its failure: enough for a person to act on it.</summary>
public static class ErrorReport
{
    /// <summary>What the command said, in few words; empty for success.</summary>
    /// <param name="outcome">How it ended.</param>
    /// <param name="step">What failed.</param>
    /// <param name="error">Why: a number of errno.h.</param>
    /// <param name="lasts">Whether the same went for all behind it: then the file that mattered may have been a later one.</param>
    /// <exception cref="CellException">It ended otherwise, or its words do not tell what failed.</exception>
    public static string Read(Outcome outcome, Step step, int error, bool lasts = false)
    {
        ArgumentNullException.ThrowIfNull(outcome);
        ArgumentNullException.ThrowIfNull(step);
        if (outcome.ExitCode is not (0 or 1))
        {
            throw new CellException($"neither success nor an error: {outcome}");
        }

        if (outcome.ExitCode == 0)
        {
            return "";
        }

        string said = Said(outcome, step);
        string words = $"{outcome.Protocol?.ErrorMessage} {outcome.Protocol?.ErrorDetails} {outcome.Error}";
        string meaning = Marshal.GetPInvokeErrorMessage(error);
        if (!words.Contains(meaning, StringComparison.OrdinalIgnoreCase))
        {
            throw new CellException($"not a word of \"{meaning}\": {outcome}");
        }

        return step.Kind is not ("file" or "lock") || words.Contains(lasts ? "/store" : FileOf(step), StringComparison.Ordinal)
            ? said
            : throw new CellException($"the file {FileOf(step)} is not named: {outcome}");
    }

    private static string Said(Outcome outcome, Step step)
    {
        // Where standard output is what fails, there is only stderr to say it on.
        if (outcome.Protocol is not { } result || step.Kind == "stdout")
        {
            return outcome.Error.Length > 0 ? outcome.Error.Trim().Split('\n')[0] : throw new CellException("no word on stderr");
        }

        if (result.ErrorCode is not { } code || string.IsNullOrWhiteSpace(result.ErrorMessage))
        {
            throw new CellException($"not one JSON document with code and message: {outcome}");
        }

        return code is 5 or 11 or 103 or 104 or 105 or 107 or 999
            ? $"{code} {result.ErrorMessage}"
            : throw new CellException($"code {code} is of something else: {outcome}");
    }

    /// <summary>The file's path as far as the stepper tells it; of a temporary file, that of the file which it is to become.</summary>
    private static string FileOf(Step step)
    {
        string path = step.What[(step.What.LastIndexOf(' ') + 1)..];
        string name = Path.GetFileName(path);
        name = name.StartsWith('.') && name.EndsWith(".PID.tmp", StringComparison.Ordinal) ? name[1..^".PID.tmp".Length] : name;
        return Path.Combine(Path.GetDirectoryName(path) ?? "", name);
    }
}
