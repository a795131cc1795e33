using System.Globalization;
using System.Text;
using CniIsolator.Linux;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Sinks.File;

namespace CniIsolator.Plugin.Logging;

/// <summary>
/// The log of one command. Events are kept until the command ends, and then appended in a single write, so that commands that end at the same
/// time leave whole lines. The file is opened here: by itself the sink would follow a symbolic link and wait for the reader of a fifo.
/// A log that cannot be written never fails a command.
/// </summary>
internal sealed class CommandLog : IDisposable
{
    private const string Template = "{Timestamp:yyyy-MM-ddTHH:mm:ss.fffzzz} {Level:u3} [{Pid}] {Message:lj}{NewLine}{Exception}";

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
            Directory.CreateDirectory(Path.GetDirectoryName(_path) ?? "/");
            using var file = PrivateFile.OpenAppend(_path);
            using var lines = new MemoryStream();

            // By its descriptor, so that the sink opens what was looked at, whatever is at the path by now. To audit is to throw where the plain
            // sink would lose lines silently; it has no limit of size either.
            using (var sink = new LoggerConfiguration()
                .MinimumLevel.Verbose()
                .AuditTo.File(
                    $"/proc/self/fd/{file.DangerousGetHandle()}",
                    outputTemplate: Template,
                    formatProvider: CultureInfo.InvariantCulture,
                    hooks: new WriteInto(lines))
                .CreateLogger())
            {
                _events.ForEach(sink.Write);
            }

            RandomAccess.Write(file, lines.ToArray(), 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException or AggregateException)
        {
            Complain($"cni-portmap-isolate: the log {_path} cannot be written: {e.Message}");
        }
    }

    private static void Complain(string message)
    {
        try
        {
            Console.Error.WriteLine(message);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nobody is left to tell, and what the command has done stays done.
        }
    }

    private sealed class Memory(List<LogEvent> events) : ILogEventSink
    {
        public void Emit(LogEvent logEvent)
        {
            foreach (var (name, value) in logEvent.Properties.ToArray())
            {
                if (value is ScalarValue { Value: string text })
                {
                    logEvent.AddOrUpdateProperty(new LogEventProperty(name, new ScalarValue(SingleLine.Of(text))));
                }
            }

            events.Add(logEvent);
        }
    }

    /// <summary>Has the sink write into memory: it flushes line by line.</summary>
    private sealed class WriteInto(Stream lines) : FileLifecycleHooks
    {
        public override Stream OnFileOpened(Stream underlyingStream, Encoding encoding)
        {
            underlyingStream.Dispose();
            return lines;
        }
    }
}
