using System.Text;
using System.Text.Json;

namespace CniIsolator.Fuzz;

/// <summary>What every reply of the plugin must be like, whatever was asked.</summary>
public static class Reply
{
    // Those of the protocol that bad input may have, and 101 for a fixed port inside the pool. 999 would be an exception that nobody foresaw.
    private static readonly int[] Foreseen = [1, 2, 4, 6, 7, 101];

    /// <summary>Throws unless the reply is one document that fits the exit code.</summary>
    /// <param name="command">CNI_COMMAND.</param>
    /// <param name="exitCode">The exit code.</param>
    /// <param name="stdout">All of standard output.</param>
    /// <param name="longest">Bytes that an error may have.</param>
    /// <param name="stderr">All of standard error.</param>
    /// <param name="alsoForeseen">Codes that are no surprise besides those of bad input.</param>
    /// <exception cref="WrongOutcomeException">It is not.</exception>
    public static void Check(string command, int exitCode, byte[] stdout, int longest, string stderr, params ReadOnlySpan<int> alsoForeseen)
    {
        Promise(stderr.Length == 0, $"{command} wrote to stderr: {stderr}");
        if (exitCode == 0 && stdout.Length == 0)
        {
            Promise(command != "ADD", "ADD succeeded without a result");
            return;
        }

        JsonElement root;
        try
        {
            using var document = JsonDocument.Parse(stdout);
            root = document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new WrongOutcomeException($"{command}: the reply is not one JSON document: {e.Message}: {Encoding.UTF8.GetString(stdout)}");
        }

        Promise(root.TryGetProperty("cniVersion", out var version) && version.GetString() is { Length: > 0 }, $"{command}: a reply without cniVersion: {root}");
        if (exitCode == 0)
        {
            Promise(command is "ADD" or "VERSION" && !root.TryGetProperty("code", out _), $"{command} succeeded with a reply: {root}");
            return;
        }

        Promise(exitCode == 1, $"{command}: exit code {exitCode}");
        Promise(root.TryGetProperty("code", out var code) && (Foreseen.AsSpan().Contains(code.GetInt32()) || alsoForeseen.Contains(code.GetInt32())), $"{command}: {root}");
        Promise(root.TryGetProperty("msg", out var message) && message.GetString() is { Length: > 0 }, $"{command}: an error without a message: {root}");
        Promise(stdout.Length <= longest, $"{command}: an error of {stdout.Length} bytes: {Encoding.UTF8.GetString(stdout.AsSpan(0, Math.Min(200, stdout.Length)))}");
    }

    private static void Promise(bool kept, string what)
    {
        if (!kept)
        {
            throw new WrongOutcomeException(what);
        }
    }
}
