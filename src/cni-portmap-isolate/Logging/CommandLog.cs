using CniIsolator.Linux;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace CniIsolator.Plugin.Logging;

/// <summary>
/// The log of one command. Events are kept until the command ends and then written at once, under a lock on the file's
/// directory: the sink opens the file for itself alone, and would silently lose the lines of a second process.
/// A log that cannot be written never fails a command.
/// </summary>
internal sealed class CommandLog : IDisposable
{
    private const string Template = "{Timestamp:yyyy-MM-ddTHH:mm:ss.fffzzz} {Level:u3} [{Pid}] {Message:lj}{NewLine}{Exception}";
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(2);

    private readonly string _path;
    private readonly List<LogEvent> _events = [];
    private readonly Logger _logger;

    public CommandLog(string path, Configuration.LogLevel level)
    {
        _path = path;
        _logger = new LoggerConfiguration()
            .MinimumLevel.Is(level switch
            {
                Configuration.LogLevel.Debug => LogEventLevel.Debug,
                Configuration.LogLevel.Warning => LogEventLevel.Warning,
                Configuration.LogLevel.Error => LogEventLevel.Error,
                _ => LogEventLevel.Information,
            })
            .Enrich.WithProperty("Pid", Environment.ProcessId)
            .WriteTo.Sink(new Memory(_events))
            .CreateLogger();
    }

    public ILogger Logger => _logger;

    public void Dispose()
    {
        _logger.Dispose();
        if (_events.Count == 0)
        {
            return;
        }

        try
        {
            var directory = Directory.CreateDirectory(Path.GetDirectoryName(_path) ?? "/");
            using var turn = FileLock.TryAcquireDirectory(
                (directory.ResolveLinkTarget(returnFinalTarget: true) ?? directory).FullName, LockTimeout);
            using var file = new LoggerConfiguration()
                .MinimumLevel.Verbose()

                // To audit is to throw where the plain sink would lose lines silently; it has no limit of size either.
                .AuditTo.File(_path, outputTemplate: Template, formatProvider: System.Globalization.CultureInfo.InvariantCulture)
                .CreateLogger();
            foreach (var logEvent in _events)
            {
                file.Write(logEvent);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException or AggregateException)
        {
            Console.Error.WriteLine($"cni-portmap-isolate: the log {_path} cannot be written: {e.Message}");
        }
    }

    private sealed class Memory(List<LogEvent> events) : ILogEventSink
    {
        public void Emit(LogEvent logEvent) => events.Add(logEvent);
    }
}
