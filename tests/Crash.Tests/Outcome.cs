using CniIsolator.Testbed;

namespace CniIsolator.Crash.Tests;

/// <summary>How a command ended, be it of the protocol or of the command line.</summary>
/// <param name="ExitCode">The command's.</param>
/// <param name="Output">All of stdout.</param>
/// <param name="Error">All of stderr.</param>
/// <param name="Protocol">The result by the protocol; null for the command line.</param>
/// <param name="ErrorCode">The code of its error, if it told one.</param>
public sealed record Outcome(int ExitCode, string Output, string Error, PluginResult? Protocol, int? ErrorCode)
{
    public static Outcome Of(PluginResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return new Outcome(result.ExitCode, result.Output, result.Error, result, result.ErrorCode);
    }

    public static Outcome Of(CommandResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return new Outcome(result.ExitCode, result.Output, result.Error, null, result.ErrorCode);
    }

    /// <inheritdoc/>
    public override string ToString() => $"exit code {ExitCode}: {Output.Trim()} {Error.Trim()}";
}
