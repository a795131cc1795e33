using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Runtimes.Tests;

/// <summary>A container that a runtime has started, and that serves the files of <see cref="Pages"/> on a fixed port of its.</summary>
/// <param name="Frame">The host.</param>
/// <param name="Id">CNI_CONTAINERID.</param>
/// <param name="Port">TCP.</param>
/// <param name="Inside">Runs a program inside.</param>
public sealed record Guest(Frame Frame, string Id, int Port, Func<string[], CommandResult> Inside)
{
    public const string Pages = "/www";

    /// <summary>What the files in conf/ limit a container's sending to, in bytes per second.</summary>
    public const long Limit = 12500 * 1024;

    /// <summary>Bytes of the file `bulk` (frame.sh).</summary>
    private const int Bulk = 4 << 20;

    /// <summary>The words of a container that serves.</summary>
    public static string[] Serve(int port) => ["/bin/httpd", "-f", "-p", port.ToString(CultureInfo.InvariantCulture), "-h", Pages];

    /// <summary>
    /// Its range of ephemeral ports is its slice, and its alone; it is reached on its port from outside and from the host; what it sends is
    /// limited; the exporter tells of it, by this name.
    /// </summary>
    public async Task AssertAtHomeAsync(string name, long limit = Limit)
    {
        JsonObject listed = Frame.Attachment(Id);
        JsonNode slice = listed["ephemeralPorts"]!;
        Assert.Equal([(int)slice["begin"]!, (int)slice["end"]!], Range());
        Assert.Equal(1024, (int)slice["end"]! - (int)slice["begin"]! + 1);
        Assert.Equal(limit, (long)listed["egress"]!["rate"]!);

        Wait.Until(() => Answers(Frame.Net.Out).GetAwaiter().GetResult(), $"{Id} to serve on {Port}");
        Assert.True(await Answers(Frame.Host), "the host does not reach it");
        await AssertLimitedAsync(limit);
        await AssertToldOfAsync(name, limit);
    }

    /// <summary>net.ipv4.ip_local_port_range as it sees it.</summary>
    public int[] Range() => ParseRange(Inside(["/bin/sysctl", "-n", "net.ipv4.ip_local_port_range"]).Require());

    public static int[] ParseRange(string text) => [.. text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(one => int.Parse(one, CultureInfo.InvariantCulture))];

    /// <summary>Whether a server there answers somebody here by HTTP.</summary>
    public async Task<bool> Answers(Namespace from)
    {
        try
        {
            using HttpClient client = Client(from);
            using HttpResponseMessage response = await client.GetAsync("bulk", HttpCompletionOption.ResponseHeadersRead);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <summary>Without a limit the file takes some ten milliseconds; a machine that is busy can only make a transfer longer.</summary>
    private async Task AssertLimitedAsync(long limit)
    {
        using HttpClient client = Client(Frame.Net.Out);
        Stopwatch watch = Stopwatch.StartNew();
        byte[] received = await client.GetByteArrayAsync("bulk");
        Assert.Equal(Bulk, received.Length);
        Assert.True(watch.Elapsed.TotalSeconds > 0.5 * Bulk / limit, $"{Bulk} bytes took only {watch.Elapsed.TotalSeconds:0.000} s at {limit} bytes per second");
    }

    private async Task AssertToldOfAsync(string name, long limit)
    {
        HttpClient exporter = Frame.Exporter.Client;
        JsonArray containers = JsonNode.Parse(await exporter.GetStringAsync("/monitor/statistics"))!.AsArray();
        JsonNode told = containers.Single(one => (string?)one!["source"] == Id)!;
        Assert.Equal(name, (string?)told["executor_name"]);
        Assert.Equal(limit, (long)told["statistics"]!["net_tx_rate_limit"]!);
        Assert.InRange((long)told["statistics"]!["net_tx_bytes"]!, Bulk, long.MaxValue);

        string metrics = await exporter.GetStringAsync("/metrics");
        string series = $"{{container_id=\"{Id}\",";
        Assert.Contains($"\nportmap_container_info{series}", metrics, StringComparison.Ordinal);
        Assert.Contains(metrics.Split('\n'), line => line.StartsWith($"portmap_limit_in_force{series}", StringComparison.Ordinal)
            && line.Contains("egress", StringComparison.Ordinal) && line.EndsWith(" 1", StringComparison.Ordinal));
    }

    private HttpClient Client(Namespace from) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancel) =>
        {
            Socket socket = from.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            try
            {
                await socket.ConnectAsync(new IPEndPoint(Frame.Net.HostAddress, Port), cancel);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    })
    {
        BaseAddress = new Uri($"http://{Frame.Net.HostAddress}:{Port}"),
        Timeout = Wait.Patience,
    };
}
