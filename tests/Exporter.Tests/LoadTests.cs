using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>Clients that are many, slow or hostile: the others are served, and what one can make the exporter keep is bounded.</summary>
public sealed class LoadTests : IDisposable
{
    // MaxConcurrentConnections of the server.
    private const int Connections = 64;
    private const string Get = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    private const string GetAndClose = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    private static readonly Dictionary<string, (string Status, string Request)> Requests = new()
    {
        ["a long path"] = ("414", $"GET /{new string('x', 100_000)} HTTP/1.1\r\nHost: x\r\n\r\n"),
        ["a long header"] = ("431", $"GET /metrics HTTP/1.1\r\nHost: x\r\nX: {new string('x', 100_000)}\r\n\r\n"),
        ["many headers"] = ("431", $"GET /metrics HTTP/1.1\r\nHost: x\r\n{string.Concat(Enumerable.Range(0, 200).Select(i => $"X{i}: y\r\n"))}\r\n"),
        ["a body of 10 MB"] = ("413", $"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n{new string('x', 10 << 20)}"),
        ["a PUT of 10 MB"] = ("405", $"PUT /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n{new string('x', 10 << 20)}"),
        ["a chunked body"] = ("405", $"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n{new string('x', 1 << 20)}"),
        ["a body of 10 MB for nobody"] = ("404", $"POST /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10485760\r\n\r\n{new string('x', 10 << 20)}"),
        ["a negative length"] = ("400", "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
        ["a length beyond all"] = ("400", "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        ["no host"] = ("400", "GET /metrics HTTP/1.1\r\n\r\n"),
        ["two hosts"] = ("400", "GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ["NUL in a header"] = ("400", "GET /metrics HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
        ["NUL in the path"] = ("400", "GET /met\0rics HTTP/1.1\r\nHost: x\r\n\r\n"),
        ["NUL in the path, encoded"] = ("400", "GET /metrics%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        ["nothing but NUL"] = ("400", new string('\0', 5000)),
        ["HTTP/0.9"] = ("400", "GET /metrics\r\n\r\n"),
        ["a version that is none"] = ("505", "GET /metrics HTTP/3.7\r\nHost: x\r\n\r\n"),
        ["HTTP/2"] = ("505", "GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n"),
        ["a path upwards"] = ("404", "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        ["a path upwards from the page"] = ("404", "GET /page/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        ["DELETE"] = ("405", "DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
        ["CONNECT, which has no path"] = ("404", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\nConnection: close\r\n\r\n"),
        ["a TLS hello"] = ("400", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + new string('\x7f', 500)),
        ["noise"] = ("400", new string('\xff', 1000) + "\r\n\r\n"),
    };

    private readonly Site _site = new();

    public LoadTests()
    {
        try
        {
            _site.Add("c1");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public static TheoryData<string> Kinds => [.. Requests.Keys];

    private ExporterProcess Exporter => _site.Exporter;

    public void Dispose() => _site.Dispose();

    [Fact]
    public void Clients_beyond_the_bound_are_turned_away_at_once_and_the_others_answered()
    {
        List<RawClient> clients = [];
        try
        {
            for (int i = 0; i < 200; i++)
            {
                clients.Add(RawClient.Connect(Exporter));
            }

            // Who is turned away reads an end without having sent anything.
            List<RawClient> served = clients;
            Wait.Until(() => (served = [.. clients.Where(one => !one.HasAnswer(TimeSpan.Zero))]).Count <= Connections, "the surplus to be closed");
            Assert.Equal(Connections, served.Count);
            Assert.All(clients.Except(served), one => Assert.Equal("", one.ReadAll()));
            foreach (RawClient one in served)
            {
                one.Send(GetAndClose);
            }

            Assert.All(served, one => Assert.StartsWith("HTTP/1.1 200 ", one.ReadAll(), StringComparison.Ordinal));
        }
        finally
        {
            clients.ForEach(one => one.Dispose());
        }

        AssertAlive();
    }

    [Fact]
    public async Task Two_hundred_requests_at_once_each_come_to_an_end()
    {
        ExporterProcess exporter = Exporter;
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(() => RawClient.Ask(exporter, GetAndClose))));
        Assert.All(answers, answer => Assert.True(answer.Length == 0 || (answer.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal) && answer.Contains("portmap_build_info", StringComparison.Ordinal)), answer));
        Assert.Contains(answers, answer => answer.Length > 0);
        AssertAlive();
    }

    [Fact]
    public void Who_sends_a_byte_now_and_then_keeps_nobody_waiting_and_is_cut_off()
    {
        using RawClient slow = RawClient.Connect(Exporter);
        int sent = 0;
        foreach (char one in Get + new string('x', 1000))
        {
            slow.Send(one.ToString());
            sent++;
            AssertAlive();
            if (slow.HasAnswer(TimeSpan.FromMilliseconds(500)))
            {
                break;
            }
        }

        Assert.InRange(sent, 2, Get.Length - 1);
        Assert.StartsWith("HTTP/1.1 408 ", slow.ReadAll(), StringComparison.Ordinal);
    }

    [Fact]
    public void Who_never_reads_keeps_nobody_waiting_and_is_cut_off()
    {
        MakeAnswersLarge();
        List<RawClient> deaf = [];
        try
        {
            for (int i = 0; i < 10; i++)
            {
                deaf.Add(RawClient.Connect(Exporter, window: 4096));
                deaf[^1].Send(Get);
            }

            for (int i = 0; i < 5; i++)
            {
                AssertAlive();
                Assert.InRange(_site.Get("/metrics").Length, 900_000, 1_100_000);
            }

            Assert.DoesNotContain(deaf, one => one.IsCutOff);
            Wait.Until(() => deaf.TrueForAll(one => one.IsCutOff), "those who read nothing to be cut off", TimeSpan.FromMinutes(3));
        }
        finally
        {
            deaf.ForEach(one => one.Dispose());
        }

        // Who takes his time gets all of it.
        using RawClient slow = RawClient.Connect(Exporter, window: 4096);
        slow.Send(GetAndClose);
        byte[] buffer = new byte[1024];
        int total = 0;
        for (int count; (count = slow.Read(buffer)) > 0;)
        {
            total += count;
        }

        Assert.InRange(total, 900_000, 1_100_000);
        Assert.Equal("", Exporter.Error.Split('\n', 2)[1].Trim());
    }

    [Theory]
    [InlineData("TERM", 0)]
    [InlineData("INT", 0)]
    public void It_ends_within_its_bound_though_a_request_does_not(string signal, int code)
    {
        MakeAnswersLarge();
        using RawClient deaf = RawClient.Connect(Exporter, window: 4096);
        deaf.Send(Get);
        using RawClient silent = RawClient.Connect(Exporter);
        silent.Send("GET /metr");
        Assert.True(deaf.HasAnswer(Wait.Patience));
        Assert.Equal(code, Exporter.EndBy(signal));
    }

    [Fact]
    public void A_hangup_ends_nothing()
    {
        AssertAlive();
        for (int i = 0; i < 3; i++)
        {
            _site.Topology.Host.Execute("sh", "-c", $"kill -HUP {Exporter.Id}").Require();
            AssertAlive();
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_is_no_request_of_ours_is_refused_and_the_connection_closed(string kind)
    {
        (string status, string request) = Requests[kind];
        string answer = RawClient.Ask(Exporter, request);

        // A server that closes before it has read all may take its answer away from the client again.
        Assert.True(answer.StartsWith($"HTTP/1.1 {status} ", StringComparison.Ordinal) || (answer.Length == 0 && request.Length > 8192), answer);
        AssertAlive();
        Assert.DoesNotContain("requests:", Exporter.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Requests_behind_each_other_are_answered_in_turn()
    {
        string pipelined = string.Concat(Enumerable.Repeat("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nHEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 50));
        string answer = RawClient.Ask(Exporter, pipelined + GetAndClose + Get);
        Assert.Equal(101, answer.Split("HTTP/1.1 200 ").Length - 1);
        Assert.Equal(50, answer.Split("\r\n\r\nok\n").Length - 1);
        Assert.Equal(1, answer.Split("\nportmap_build_info{").Length - 1);
    }

    [Fact]
    public async Task A_flood_of_requests_does_not_make_it_grow()
    {
        string[] paths = ["/metrics", "/monitor/statistics", "/containers.json", "/", "/healthz", "/nowhere"];
        for (int i = 0; i < 20; i++)
        {
            await RequestAsync(paths[i % paths.Length]);
        }

        long before = Resident();
        await Parallel.ForAsync(0, 2000, new ParallelOptions { MaxDegreeOfParallelism = 30 }, async (i, _) => await RequestAsync(paths[i % paths.Length]));
        long grown = Resident() - before;
        Assert.True(grown < 30 << 20, $"grown by {grown >> 20} MiB from {before >> 20} MiB");

        async Task RequestAsync(string path)
        {
            using HttpResponseMessage answer = await Exporter.Client.GetAsync(path);
            Assert.Equal(path == "/nowhere" ? HttpStatusCode.NotFound : HttpStatusCode.OK, answer.StatusCode);
            Assert.NotEmpty(await answer.Content.ReadAsByteArrayAsync());
        }
    }

    /// <summary>VmRSS, in bytes.</summary>
    private long Resident() => 1024 * long.Parse(
        File.ReadLines($"/proc/{Exporter.Id}/status").Single(line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);

    private void AssertAlive() => Assert.Equal("ok\n", _site.Get("/healthz"));

    /// <summary>A megabyte: records of more containers, all of one interface, with very long names.</summary>
    private void MakeAnswersLarge()
    {
        JsonObject record = JsonNode.Parse(File.ReadAllText(_site.Record("c1")))!.AsObject();
        record["args"] = new JsonObject { ["K8S_POD_NAME"] = new string('n', 25_000) };
        for (int i = 0; i < 40; i++)
        {
            // The name of a record's file is that of the interface, which follows from what it belongs to.
            record["key"]!["containerId"] = $"long{i}";
            byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes($"{Site.Network}\0long{i}\0eth0"));
            string path = Path.Combine(_site.Store, $"pmi{Convert.ToHexStringLower(digest.AsSpan(0, 6))}.json");
            File.WriteAllText(path, record.ToJsonString());
        }
    }
}
