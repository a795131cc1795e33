using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Demo;

/// <summary>The exporter's program, running on the demo's host until disposed of.</summary>
internal sealed partial class Exporter : IDisposable
{
    private const int Port = 9478;

    private readonly Stage _stage;
    private readonly Process _process;
    private readonly HttpClient _client;

    private Exporter(Stage stage, Process process)
    {
        (_stage, _process) = (stage, process);
        _client = new HttpClient(Inside(stage.Host)) { BaseAddress = Address };
    }

    /// <summary>What `make build` makes.</summary>
    public static string Binary { get; } = Path.Combine(Repository.Root, "artifacts", "bin", "cni-portmap-exporter");

    public static Uri Address { get; } = new($"http://127.0.0.1:{Port}/");

    /// <summary>Starts it, shows that, and waits until it says that it listens.</summary>
    public static Exporter Start(Stage stage, params string[] options)
    {
        string[] arguments = ["--state-dir", stage.Runtime.StateDirectory, .. options];
        Screen.Command(stage.Prompt(stage.Host), $"{Path.GetRelativePath(Repository.Root, Binary)} {string.Join(' ', arguments)} &");
        Process process = stage.Host.Start(new ProcessStartInfo(Binary, arguments) { RedirectStandardError = true, RedirectStandardOutput = true });
        TaskCompletionSource<string?> said = new();
        process.ErrorDataReceived += (_, line) => said.TrySetResult(line.Data);
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        try
        {
            string? first = said.Task.WaitAsync(Wait.Patience).GetAwaiter().GetResult();
            Screen.Output(first ?? "(it has ended)");
            return first?.Contains("listening", StringComparison.Ordinal) == true
                ? new Exporter(stage, process)
                : throw new InvalidOperationException($"the exporter does not listen: {first}");
        }
        catch
        {
            process.Kill();
            throw;
        }
    }

    /// <summary>Talks HTTP from inside a namespace.</summary>
    public static SocketsHttpHandler Inside(Namespace place) => new()
    {
        ConnectCallback = (context, _) => ValueTask.FromResult<Stream>(new NetworkStream(
            place.Run(() =>
            {
                Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Connect(IPAddress.Loopback, context.DnsEndPoint.Port);
                return socket;
            }),
            ownsSocket: true)),
    };

    /// <summary>What it answers, not shown.</summary>
    public string Get(string path) => _client.GetStringAsync(path).GetAwaiter().GetResult();

    /// <summary>Asks for its metrics, and shows those lines that the expression finds.</summary>
    public Metrics ShowMetrics(string expression)
    {
        Screen.Command(_stage.Prompt(_stage.Host), $"demo-client get {new Uri(Address, "metrics")} | grep -E '{expression}'");
        Metrics metrics = new([.. Get("metrics").Split('\n').Where(line => line.Length > 0 && line[0] != '#')]);
        Screen.Output(string.Join('\n', metrics.Lines.Where(line => Regex.IsMatch(line, expression))));
        return metrics;
    }

    /// <summary>Asks for what a Mesos agent would tell of its containers, of which it shows nothing.</summary>
    public JsonArray GetStatistics()
    {
        Screen.Command(_stage.Prompt(_stage.Host), $"demo-client get {new Uri(Address, "monitor/statistics")}");
        return JsonNode.Parse(Get("monitor/statistics"))!.AsArray();
    }

    /// <summary>Ends it as systemd would, and returns its exit code.</summary>
    public int End()
    {
        _stage.Show(_stage.Host, $"kill -TERM {_process.Id}");
        Wait.Until(() => _process.HasExited, "the exporter to end");
        return _process.ExitCode;
    }

    public void Dispose()
    {
        _client.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    /// <summary>One answer's samples.</summary>
    /// <param name="Lines">Each a name, labels and a value.</param>
    internal sealed record Metrics(IReadOnlyList<string> Lines)
    {
        /// <summary>The value of a container's metric, or null if there is none.</summary>
        public double? Of(Container container, string name, string labels = "") => Find(name, [$"container_id=\"{container.Id}\"", labels]);

        /// <summary>The value of the first metric of that name with all these labels, or null.</summary>
        public double? Find(string name, params string[] labels) =>
            Lines.FirstOrDefault(line => Name().Match(line).Value == name && labels.All(label => line.Contains(label, StringComparison.Ordinal))) is { } found
                ? double.Parse(found[(found.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture)
                : null;
    }

    [GeneratedRegex(@"^\w+")]
    private static partial Regex Name();
}
