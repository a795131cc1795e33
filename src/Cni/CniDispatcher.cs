using System.Buffers;

namespace CniIsolator.Cni;

/// <summary>
/// One call of a plugin from environment and standard input to the reply. The order of checks, and every message that
/// the reference library has too, are the reference library's: runtimes match on some of them.
/// </summary>
public static class CniDispatcher
{
    /// <summary>Runs the command that the environment names and returns the exit code, 0 or 1.</summary>
    /// <param name="getenv">Yields an environment variable, or null.</param>
    /// <param name="stdin">The configuration. Not touched without a command nor for VERSION.</param>
    /// <param name="stdout">
    /// Gets exactly one JSON document, or nothing. Its writes must report a closed pipe, which the console's stream
    /// does not: use <see cref="StandardStreams.OpenOutput"/>.
    /// </param>
    /// <param name="stderr">Gets the about text, and what cannot be told on stdout any more.</param>
    /// <param name="plugin">What carries the commands out.</param>
    /// <param name="pluginName">For the about text.</param>
    /// <param name="pluginVersion">For the about text, without "v".</param>
    public static int Run(
        Func<string, string?> getenv,
        Stream stdin,
        Stream stdout,
        TextWriter stderr,
        ICniPlugin plugin,
        string pluginName,
        string pluginVersion)
    {
        if (string.IsNullOrEmpty(getenv("CNI_COMMAND")))
        {
            stderr.Write($"CNI plugin {pluginName} v{pluginVersion}\n");
            stderr.Write($"CNI protocol versions supported: {string.Join(", ", CniVersion.All)}\n");
            stderr.Flush();
            return 0;
        }

        var replyVersion = CniVersion.Newest.Text;
        CniRequest? added = null;
        byte[] reply;
        try
        {
            var environment = CniEnvironment.Read(getenv);
            if (environment.Command == CniCommand.Version)
            {
                reply = VersionReply();
            }
            else
            {
                var config = CniConfig.Parse(ReadToEnd(stdin));
                if (environment.Command == CniCommand.Unknown)
                {
                    throw new CniException(
                        CniErrorCode.InvalidEnvironment, $"unknown CNI_COMMAND: {environment.CommandText}");
                }

                var version = CniVersion.Resolve(config.ReadDeclaredVersion(), environment.Command);
                replyVersion = version.Text;
                var request = new CniRequest
                {
                    Command = environment.Command,
                    Version = version,
                    Config = config,
                    ContainerId = environment.ContainerId,
                    Netns = environment.Netns,
                    IfName = environment.IfName,
                    Args = CniArgs.Parse(environment.Args),
                    Path = environment.Path,
                };
                var result = Execute(plugin, request, environment.NetnsOverride);
                added = result is null ? null : request;
                reply = result?.ToJson(version) ?? [];
            }
        }
        catch (Exception e)
        {
            if (added is not null)
            {
                Undo(plugin, added, stderr);
            }

            var error = e as CniException ?? Unforeseen(e);
            TryWrite(stdout, error.ToJson(replyVersion), stderr);
            return 1;
        }

        if (TryWrite(stdout, reply, stderr))
        {
            return 0;
        }

        if (added is not null)
        {
            Undo(plugin, added, stderr);
        }

        return 1;
    }

    private static CniResult? Execute(ICniPlugin plugin, CniRequest request, bool netnsOverride)
    {
        switch (request.Command)
        {
            case CniCommand.Add:
                if (IsOwnNetns())
                {
                    throw OwnNetns();
                }

                // Read first: a previous result that cannot be merged must not be discovered after the work is done.
                var previous = request.Config.ReadPreviousResult();
                var result = plugin.Add(request);
                return previous is null ? result : result.AppendedTo(previous);
            case CniCommand.Delete:
                if (IsOwnNetns())
                {
                    plugin.Delete(request with { Netns = "" });
                    throw OwnNetns();
                }

                plugin.Delete(request);
                return null;
            case CniCommand.Check:
                plugin.Check(request);
                return null;
            case CniCommand.GarbageCollection:
                plugin.CollectGarbage(request);
                return null;
            case CniCommand.Status:
                plugin.Status(request);
                return null;
            default:
                throw new ArgumentOutOfRangeException(nameof(request), request.Command, "no such command");
        }

        bool IsOwnNetns() =>
            !netnsOverride && request.Netns.Length > 0 && plugin.IsOwnNetworkNamespace(request.Netns);
    }

    private static CniException OwnNetns() => new(
        CniErrorCode.InvalidNetns, "plugin's netns and netns from CNI_NETNS should not be the same");

    private static CniException Unforeseen(Exception e) =>
        new(CniErrorCode.Internal, WithoutSwallowedWords(e.Message), e.GetType().Name, e);

    /// <summary>
    /// containerd takes a DEL whose error has one of these phrases for done and never calls again, so an error of the
    /// system that is passed on must not have them.
    /// </summary>
    private static string WithoutSwallowedWords(string message) => message
        .Replace("not found", "missing", StringComparison.OrdinalIgnoreCase)
        .Replace("no such file or directory", "file or directory missing", StringComparison.OrdinalIgnoreCase);

    private static byte[] VersionReply() => JsonText.Write(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("cniVersion"u8, CniVersion.Newest.Text);
        writer.WriteStartArray("supportedVersions"u8);
        foreach (var version in CniVersion.All)
        {
            writer.WriteStringValue(version.Text);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    private static ReadOnlySpan<byte> ReadToEnd(Stream stdin)
    {
        var buffer = new ArrayBufferWriter<byte>(16 * 1024);
        try
        {
            while (true)
            {
                var read = stdin.Read(buffer.GetSpan(4096));
                if (read == 0)
                {
                    return buffer.WrittenSpan;
                }

                buffer.Advance(read);
                if (buffer.WrittenCount > CniConfig.MaxBytes)
                {
                    throw CniConfig.TooLong();
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException or NotSupportedException)
        {
            throw new CniException(
                CniErrorCode.IoFailure, $"error reading from stdin: {WithoutSwallowedWords(e.Message)}", inner: e);
        }
    }

    private static bool TryWrite(Stream stdout, byte[] document, TextWriter stderr)
    {
        if (document.Length == 0)
        {
            return true;
        }

        try
        {
            stdout.Write(document);
            stdout.Flush();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException or NotSupportedException)
        {
            Complain(stderr, $"cannot write the reply: {e.Message}");
            return false;
        }
    }

    private static void Undo(ICniPlugin plugin, CniRequest request, TextWriter stderr)
    {
        try
        {
            plugin.ResultNotDelivered(request);
        }
        catch (Exception e)
        {
            Complain(stderr, $"cannot undo ADD of {request.ContainerId}: {e.Message}");
        }
    }

    private static void Complain(TextWriter stderr, string message)
    {
        try
        {
            stderr.Write(message + "\n");
            stderr.Flush();
        }
        catch (IOException)
        {
            // Whoever closed stdout has closed stderr too; the exit code still tells.
        }
    }
}
