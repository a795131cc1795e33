using System.Net;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>A store that is full of rubbish, or changes while it is read: what can be read is served, always with 200.</summary>
public sealed class DamagedStoreTests : IDisposable
{
    private static readonly string[] Paths = ["/metrics", "/monitor/statistics", "/containers.json"];

    private readonly Site _site = new(
        config => config.With("egressRateLimitPerContainer", 20_000_000).With("ingressRateLimitPerContainer", 50_000_000),
        "--socket-statistics", "details", "--snmp", "--port-statistics", "--rate-window", "3", "--rate-interval", "0.1");

    public DamagedStoreTests()
    {
        try
        {
            _site.Add("first", "PORTS=31005");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public void Dispose() => _site.Dispose();

    [Fact]
    public void Five_hundred_records_that_are_none_do_not_hide_the_one_that_is()
    {
        string own = _site.Record("first");
        string record = File.ReadAllText(own);
        Func<string, Action>[] kinds =
        [
            path => () => File.WriteAllText(path, ""),
            path => () => File.WriteAllText(path, record[..(record.Length / 2)]),
            path => () => File.WriteAllText(path, record), // in another's file
            path => () => File.WriteAllText(path, "null"),
            path => () => File.WriteAllText(path, new string('[', 5000)),
            path => () => File.WriteAllText(path, record.Replace("\"slot\": 1", "\"slot\": -1", StringComparison.Ordinal)),
            path => () => File.WriteAllBytes(path, [.. Enumerable.Range(0, 3000).Select(i => (byte)(i * 7))]),
            path => () => File.WriteAllText(path, new string(' ', (1 << 20) + 5)),
            path => () => File.CreateSymbolicLink(path, "/etc/passwd"),
            path => () => File.CreateSymbolicLink(path, own),
            path => () => File.CreateSymbolicLink(path, path),
            path => () => File.CreateSymbolicLink(path, "/nowhere"),
            path => () => File.CreateSymbolicLink(path, "/dev/zero"),
            path => () => Directory.CreateDirectory(path),
        ];
        List<string> made = [];
        for (int i = 0; i < 500; i++)
        {
            string path = Path.Combine(_site.Store, $"pmi{i:x12}.json");
            made.Add(path);
            kinds[i % kinds.Length](path)();
        }

        // Who opens these waits for somebody at the other end.
        _site.Topology.Host.Execute("mkfifo", Path.Combine(_site.Store, "pmiffffffffffff.json")).Require();
        File.WriteAllText(Path.Combine(_site.Store, "networks.json"), "{\"version\":1,\"networks\":[{\"name\":\"x\"}]}");
        for (int i = 0; i < 3; i++)
        {
            foreach (string path in Paths)
            {
                Assert.Contains("first", Answer(path), StringComparison.Ordinal);
            }
        }

        Assert.InRange((int)_site.Metric("portmap_unreadable_records")!, 450, 501);
        Assert.NotNull(_site.Statistics("first")["net_rx_bytes"]);
        Assert.Null(_site.Metric($"portmap_slices{{network=\"{Site.Network}\"}}"));
        Assert.DoesNotContain("root:x:0", Answer("/metrics") + Answer("/containers.json") + _site.Exporter.Error, StringComparison.Ordinal);

        foreach (string path in made)
        {
            if (Directory.Exists(path) && new DirectoryInfo(path).LinkTarget is null)
            {
                Directory.Delete(path);
            }
            else
            {
                File.Delete(path);
            }
        }

        File.Delete(Path.Combine(_site.Store, "pmiffffffffffff.json"));
        Assert.Equal(0, _site.Metric("portmap_unreadable_records"));
    }

    [Fact]
    public async Task A_record_that_is_cut_while_it_is_read_costs_its_own_container_alone()
    {
        _site.Add("second");
        string path = _site.Record("second");
        byte[] whole = File.ReadAllBytes(path);
        using CancellationTokenSource stop = new();
        Task cutting = Task.Run(() =>
        {
            for (int length = 0; !stop.IsCancellationRequested; length = (length + 37) % whole.Length)
            {
                using (FileStream file = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
                {
                    file.Write(whole);
                    file.SetLength(length);
                }
            }
        });
        try
        {
            for (int i = 0; i < 300; i++)
            {
                Assert.Contains("first", Answer(Paths[i % Paths.Length]), StringComparison.Ordinal);
            }
        }
        finally
        {
            await stop.CancelAsync();
            await cutting;
        }

        File.WriteAllBytes(path, whole);
        Wait.Until(() => _site.Metric("portmap_network_receive_bytes_total", "second") is not null, "the second container to be seen again");
        Assert.Equal(0, _site.Metric("portmap_unreadable_records"));
        AssertNothingUnforeseen();
    }

    [Fact]
    public async Task Containers_that_come_and_go_meanwhile_are_there_or_not()
    {
        using CancellationTokenSource stop = new();
        int rounds = 0;
        Task attaching = Task.Run(() =>
        {
            for (; !stop.IsCancellationRequested; rounds++)
            {
                Namespace place = Namespace.Create("passing");
                try
                {
                    _site.Plugin.Add(place, "passing", arguments: "PORTS=31010").Require();

                    // With the link gone first, now and then: then the record speaks of nothing.
                    if (rounds % 3 == 2)
                    {
                        _site.Topology.Host.Ip($"link delete {_site.HostInterface("passing")}");
                    }

                    _site.Plugin.Del(place, "passing").Require();
                }
                finally
                {
                    place.Dispose();
                }
            }
        });
        try
        {
            int scrapes = 0;
            Wait.Until(
                () =>
                {
                    Assert.Contains("first", Answer(Paths[scrapes++ % Paths.Length]), StringComparison.Ordinal);
                    return rounds >= 20 || attaching.IsCompleted;
                },
                "twenty containers to come and go",
                TimeSpan.FromMinutes(1));
        }
        finally
        {
            await stop.CancelAsync();
            await attaching;
        }

        Assert.DoesNotContain("passing", Answer("/metrics"), StringComparison.Ordinal);
        Assert.Single(JsonNode.Parse(Answer("/monitor/statistics"))!.AsArray());
        AssertNothingUnforeseen();
    }

    private void AssertNothingUnforeseen() => Assert.Equal(0, _site.Metric("portmap_scrape_errors_total{source=\"requests\"}"));

    private string Answer(string path)
    {
        using HttpResponseMessage answer = _site.Exporter.Client.GetAsync(path).GetAwaiter().GetResult();
        string text = answer.Content.ReadAsStringAsync().GetAwaiter().GetResult();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{path}: {answer.StatusCode}: {text}");
        return text;
    }
}
