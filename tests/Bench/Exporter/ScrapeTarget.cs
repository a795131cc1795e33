using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Exporter;

/// <summary>What a server's process holds of the machine's memory, in MB of 10^6 bytes.</summary>
/// <param name="Resident">VmRSS.</param>
/// <param name="Anonymous">RssAnon: without the program's own file.</param>
internal sealed record Residence(double Resident, double Anonymous);

/// <summary>Scrapes of one server.</summary>
/// <param name="Name">For the report.</param>
internal sealed record ScrapeSamples(string Name)
{
    /// <summary>Milliseconds from the request to the end of the answer, by round.</summary>
    public List<Sample> Rounds { get; } = [];

    public Sample Wall => new(Rounds.SelectMany(round => round.Values));

    /// <summary>Milliseconds that the server says it took for reading.</summary>
    public Sample Reading { get; } = new();

    /// <summary>Milliseconds of processor time for a scrape, a mean of each round.</summary>
    public Sample Processor { get; } = new();

    public int Bytes { get; set; }

    public Residence Warm { get; set; } = new(0, 0);

    /// <summary>After scrapes without a pause.</summary>
    public Residence Last { get; set; } = new(0, 0);

    /// <summary>The most after any scrape, where a scrape comes every fifteen seconds, as from most Prometheus servers.</summary>
    public Residence Usual { get; set; } = new(0, 0);
}

/// <summary>A server that is scraped: a process in a host's namespace, killed with this object.</summary>
internal sealed class ScrapeTarget : IDisposable
{
    // Outside of the containers' ports, which the loopback would hand to them.
    private const int Port = 61000;

    // One that takes seconds for a scrape would take the whole bench's time.
    private static readonly TimeSpan LongestRound = TimeSpan.FromSeconds(5);

    private static readonly string ExporterBinary = Path.Combine(Repository.Root, "artifacts", "bin", "cni-portmap-exporter");
    private static int _count;

    private readonly Process _process;
    private readonly byte[] _reading;
    private readonly ScrapeConnection _connection;
    private int _occasional;

    private ScrapeTarget(string name, Namespace host, string reading, string program, Func<IPEndPoint, string[]> arguments)
    {
        Samples = new ScrapeSamples(name);
        _reading = Encoding.ASCII.GetBytes(reading);
        IPEndPoint address = new(IPAddress.Loopback, Port + _count++);
        _process = host.Start(program, arguments(address));
        try
        {
            _connection = Connect(host, address);
        }
        catch
        {
            End();
            throw;
        }
    }

    public ScrapeSamples Samples { get; }

    public static ScrapeTarget Exporter(string name, CrowdedHost host, params string[] options) => new(
        name,
        host.Topology.Host,
        "portmap_scrape_duration_seconds",
        ExporterBinary,
        address => ["--listen", address.ToString(), "--state-dir", Path.Combine(host.Topology.StateDirectory, "store"), .. options]);

    public static ScrapeTarget NodeExporter(string name, CrowdedHost host, params string[] collectors) => new(
        name,
        host.Topology.Host,
        "node_scrape_collector_duration_seconds{collector=\"netdev\"}",
        Tools.At("usr/bin/prometheus-node-exporter"),
        address =>
        [
            $"--web.listen-address={address}", "--web.disable-exporter-metrics", "--collector.disable-defaults", .. collectors.Select(collector => $"--collector.{collector}"),
        ]);

    /// <summary>Scrapes that are not counted.</summary>
    public void WarmUp(int scrapes)
    {
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < scrapes && Stopwatch.GetElapsedTime(begin) < LongestRound; i++)
        {
            _connection.Scrape();
        }

        Samples.Bytes = _connection.Answer.Length;
        Samples.Warm = ReadResidence();
    }

    /// <summary>A round: scrapes one after the other over the same connection, no further ones after some time.</summary>
    public void Measure(int scrapes)
    {
        Sample wall = new();
        double processor = ProcessorMilliseconds();
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < scrapes && Stopwatch.GetElapsedTime(begin) < LongestRound; i++)
        {
            long started = Stopwatch.GetTimestamp();
            _connection.Scrape();
            wall.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            Samples.Reading.Add(_connection.Value(_reading) * 1000);
        }

        Samples.Processor.Add((ProcessorMilliseconds() - processor) / wall.Count);
        Samples.Rounds.Add(wall);
        Samples.Last = ReadResidence();
    }

    /// <summary>One scrape of those that come now and then; the first still shows what came before.</summary>
    public void MeasureMemory()
    {
        _connection.Scrape();
        Residence now = ReadResidence();
        Samples.Usual = _occasional++ < 3 || now.Resident > Samples.Usual.Resident ? now : Samples.Usual;
    }

    public void Dispose()
    {
        _connection.Dispose();
        End();
    }

    private ScrapeConnection Connect(Namespace host, IPEndPoint address)
    {
        ScrapeConnection? connection = null;
        Wait.Until(
            () =>
            {
                try
                {
                    connection = new ScrapeConnection(host, address);
                    return true;
                }
                catch (SocketException) when (!_process.HasExited)
                {
                    return false;
                }
            },
            $"{Samples.Name} to listen");
        return connection!;
    }

    private void End()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.WaitForExit();
        _process.Dispose();
    }

    /// <summary>To the nanosecond, where the process's own clock has ticks; a thread that ended meanwhile would be missing.</summary>
    private double ProcessorMilliseconds()
    {
        double nanoseconds = 0;
        foreach (string task in Directory.EnumerateDirectories($"/proc/{_process.Id}/task"))
        {
            string? text = null;
            try
            {
                text = File.ReadAllText(Path.Combine(task, "schedstat"));
            }
            catch (IOException)
            {
                // It ended just now.
            }

            nanoseconds += text is null ? 0 : double.Parse(text.AsSpan(0, text.IndexOf(' ', StringComparison.Ordinal)), CultureInfo.InvariantCulture);
        }

        return nanoseconds / 1e6;
    }

    private Residence ReadResidence()
    {
        string[] lines = File.ReadAllLines($"/proc/{_process.Id}/status");
        return new Residence(Megabytes("VmRSS:"), Megabytes("RssAnon:"));

        double Megabytes(string name) =>
            double.Parse(lines.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
                * 1024 / 1e6;
    }
}
