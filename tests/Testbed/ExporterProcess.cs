using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CniIsolator.Testbed;

/// <summary>The published exporter, running in a host's namespace until disposed of.</summary>
public sealed class ExporterProcess : IDisposable
{
    public const int Port = 9478;

    private static readonly string Binary = Path.Combine(Repository.Root, "artifacts", "bin", "cni-portmap-exporter");

    private readonly StringBuilder _error = new();
    private readonly Process _process;

    private ExporterProcess(Namespace host, string stateDirectory, string[] launcher, string[] arguments)
    {
        Host = host;
        Client = new HttpClient(new SocketsHttpHandler { ConnectCallback = (_, _) => ValueTask.FromResult<Stream>(new NetworkStream(Connect(), ownsSocket: true)) })
        {
            BaseAddress = new Uri($"http://127.0.0.1:{Port}"),
        };
        string[] line = [.. launcher, Binary, "--state-dir", stateDirectory, .. arguments];
        _process = host.Start(new ProcessStartInfo(line[0], line[1..])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            // A service's. The checkout may be where only root can go, and the exporter wants to read where it is.
            WorkingDirectory = "/",
        });
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_error)
            {
                _error.AppendLine(line.Data);
            }
        };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public Namespace Host { get; }

    public int Id => _process.Id;

    /// <summary>Connects from inside the host's namespace.</summary>
    public HttpClient Client { get; }

    public string Error
    {
        get
        {
            lock (_error)
            {
                return _error.ToString();
            }
        }
    }

    /// <summary>Starts it and waits until it listens.</summary>
    public static ExporterProcess Start(Namespace host, string stateDirectory, params string[] arguments) => StartBy([], host, stateDirectory, arguments);

    /// <summary>The same by another program, which becomes the exporter: the launcher's words stand before the exporter's.</summary>
    public static ExporterProcess StartBy(string[] launcher, Namespace host, string stateDirectory, params string[] arguments)
    {
        ExporterProcess started = new(host, stateDirectory, launcher, arguments);
        try
        {
            Wait.Until(() => started._process.HasExited || started.Error.Contains("listening on", StringComparison.Ordinal), "the exporter to listen");
            return started._process.HasExited ? throw new InvalidOperationException($"the exporter ended: {started.Error}") : started;
        }
        catch
        {
            started.Dispose();
            throw;
        }
    }

    /// <summary>Runs it to its end: one that is expected not to start.</summary>
    public static CommandResult Run(Namespace host, string stateDirectory, params string[] arguments) =>
        host.Execute(Binary, ["--state-dir", stateDirectory, .. arguments]);

    public Socket Connect() => Host.Run(() =>
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPAddress.Loopback, Port);
        return socket;
    });

    /// <summary>Sends a signal such as TERM; the exit code, once it has ended.</summary>
    public int EndBy(string signal)
    {
        Host.Execute("sh", "-c", $"kill -{signal} {_process.Id}").Require();
        Wait.Until(() => _process.HasExited, "the exporter to end");
        return _process.ExitCode;
    }

    public void Dispose()
    {
        Client.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.WaitForExit();
        _process.Dispose();
    }
}
