using System.Globalization;
using System.Text;
using CniIsolator.Linux;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting.Display;

namespace CniIsolator.Plugin.Logging;

/// <summary>
/// The log of one command. Events are kept until the command ends, and then appended in a single write, so that commands that end at the same
/// time leave whole lines. Serilog's own sink for files is not used: it follows a symbolic link, waits for the reader of a fifo, and opens
/// the file for itself alone, which would need a lock, and whoever may read the directory could hold that.
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
            using var lines = new StringWriter(CultureInfo.InvariantCulture);
            var formatter = new MessageTemplateTextFormatter(Template, CultureInfo.InvariantCulture);
            foreach (var logEvent in _events)
            {
                formatter.Format(logEvent, lines);
            }

            using var file = PrivateFile.OpenAppend(_path);
            RandomAccess.Write(file, Encoding.UTF8.GetBytes(lines.ToString()), 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
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
}
