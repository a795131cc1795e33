using System.Text.Json;

namespace CniIsolator.Testbed;

/// <summary>How one run of the plugin ended.</summary>
public sealed class PluginResult
{
    internal PluginResult(string command, CommandResult run, bool timedOut)
    {
        Command = command;
        ExitCode = run.ExitCode;
        Output = run.Output;
        Error = run.Error;
        TimedOut = timedOut;
        try
        {
            Json = string.IsNullOrWhiteSpace(run.Output) ? null : JsonDocument.Parse(run.Output);
        }
        catch (JsonException)
        {
            // What is not JSON is kept as text; a test that expects JSON finds null.
        }
    }

    /// <summary>The CNI command.</summary>
    public string Command { get; }

    /// <summary>0 for success, 1 for an error by the specification; -1 when it had to be killed.</summary>
    public int ExitCode { get; }

    /// <summary>All of stdout.</summary>
    public string Output { get; }

    /// <summary>All of stderr.</summary>
    public string Error { get; }

    /// <summary>Whether it had to be killed.</summary>
    public bool TimedOut { get; }

    /// <summary>Stdout, if it is exactly one JSON document.</summary>
    public JsonDocument? Json { get; }

    /// <summary>Whether it succeeded.</summary>
    public bool Succeeded => ExitCode == 0;

    /// <summary>`code` of a CNI error.</summary>
    public int? ErrorCode => !Succeeded && Member("code") is { ValueKind: JsonValueKind.Number } code ? code.GetInt32() : null;

    /// <summary>`msg` of a CNI error.</summary>
    public string? ErrorMessage => Succeeded ? null : Text("msg");

    /// <summary>`details` of a CNI error.</summary>
    public string? ErrorDetails => Succeeded ? null : Text("details");

    /// <summary>Returns itself, or throws with all that the plugin said.</summary>
    public PluginResult Require() => Succeeded ? this : throw new InvalidOperationException(ToString());

    /// <summary>A top-level member of the JSON answer.</summary>
    public JsonElement? Member(string name) =>
        Json is { RootElement.ValueKind: JsonValueKind.Object } json && json.RootElement.TryGetProperty(name, out JsonElement value) ? value : null;

    /// <inheritdoc/>
    public override string ToString() => $"{Command}: exit code {ExitCode}{(TimedOut ? " (killed)" : "")}\nstdout: {Output.Trim()}\nstderr: {Error.Trim()}";

    private string? Text(string name) => Member(name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;
}
