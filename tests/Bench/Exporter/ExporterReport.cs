using System.Globalization;
using System.Text.Json.Nodes;
using CniIsolator.Bench.Exporter;
using CniIsolator.Bench.Plots;

namespace CniIsolator.Bench;

/// <content>Scrapes of the exporter.</content>
internal sealed partial class Report
{
    private const double BaseMilliseconds = 3;
    private const double EverythingMilliseconds = 40;
    private const double Megabytes = 25;

    public void Add(ExporterResult result)
    {
        Table(
            $"One scrape of {result.Containers} containers: milliseconds from the request to the end of the answer",
            ["", "scrapes", "p50", "p99", "to netdev", "processor time", "reading", "answer, MB", "resident, MB: scraped without a pause", "every 15 s", "anonymous"],
            [
                .. result.Own.Concat(result.Peers).Select(s => (string[])
                [
                    s.Name, $"{s.Wall.Count}", Number(s.Wall.P50), Number(s.Wall.P99), Ratio(result.Ratio(s)), Number(s.Processor.Mean), Number(s.Reading.P50),
                    Number(s.Bytes / 1e6), Number(s.Last.Resident), Number(s.Usual.Resident), Number(s.Usual.Anonymous),
                ]),
                Dump("kernel: counters of all links (RTM_GETSTATS)", result.Links),
                Dump("kernel: qdiscs of the host (RTM_GETQDISC)", result.Qdiscs),
                Dump("kernel: qdiscs in all containers", result.Inside),
            ]);
        Note(
            $"{result.Base.Rounds.Count} rounds, servers in turns, by one client over a TCP connection on loopback that stays open; text format, not "
            + "compressed. Each container has a slice and two fixed ports, and a limit both ways, but for the host of the first line and of node_exporter. To netdev: median over the rounds of the ratio to node_exporter's p50 in the same round. Reading is what "
            + "the server says it took: portmap_scrape_duration_seconds, without the text; node_scrape_collector_duration_seconds of netdev. Processor time is all that the server's threads used while a "
            + "round was on, so a look a second for the rates is in it. Resident memory every 15 s: the most after one of three scrapes, half a minute and more after the last round.");
        Note(
            "Everything: --socket-statistics details --snmp --port-statistics --rate-window 60 --rate-interval 1. Connections: each container listens and has one TCP connection from outside. "
            + $"Own tables: the containers' namespaces were made where net.ipv4.tcp_child_ehash_entries was {ExporterBench.TableEntries} (kernel 6.1), so that each has its own table of connections "
            + "instead of a share in the machine's, which the kernel walks through for each container that has any. Such a table takes 8 bytes a place and its locks at most 4; measured without the "
            + $"locks, and roughly, as whatever else ran counts, too: {result.TableKibibytes.ToString("0.0", CultureInfo.InvariantCulture)} KiB a namespace. "
            + "Its size also sets the namespace's net.ipv4.tcp_max_tw_buckets, to half of it.");
        Plot("scrapes", $"One scrape of {result.Containers} containers, milliseconds", ScrapePlot.Draw(result));
        _json["exporter"] = new JsonObject
        {
            ["containers"] = result.Containers,
            ["servers"] = new JsonArray([.. result.Own.Concat(result.Peers).Select(s => (JsonNode)Json(s))]),
            ["linksDump"] = Json(result.Links),
            ["qdiscsDump"] = Json(result.Qdiscs),
            ["insideDump"] = Json(result.Inside),
            ["tableKibibytes"] = Math.Round(result.TableKibibytes, 1),
        };
        Brief(result);
        Judge(result);
    }

    private void Judge(ExporterResult result)
    {
        _aims.Add(Aim.AtMost($"scrape of {result.Containers} containers, base: p50", BaseMilliseconds, result.Base.Wall.P50, " ms"));
        _aims.Add(Aim.AtMost("the same beside node_exporter's netdev", Fifth, result.Ratio(result.Base)));
        foreach (ScrapeSamples one in result.Own.Skip(1))
        {
            _aims.Add(Aim.AtMost($"scrape, {one.Name}: p50", EverythingMilliseconds, one.Wall.P50, " ms"));
        }

        foreach (ScrapeSamples one in result.Own)
        {
            _aims.Add(Aim.AtMost($"exporter's resident memory, {one.Name}", Megabytes, one.Usual.Resident, " MB"));
        }
    }

    private static string[] Dump(string name, Sample sample) => [name, $"{sample.Count}", Number(sample.P50), Number(sample.P99), "", "", "", "", "", "", ""];

    private static JsonObject Json(ScrapeSamples one) => new()
    {
        ["name"] = one.Name,
        ["rounds"] = new JsonArray([.. one.Rounds.Select(round => (JsonNode)Json(round))]),
        ["processor"] = Json(one.Processor),
        ["reading"] = Json(one.Reading),
        ["bytes"] = one.Bytes,
        ["resident"] = new JsonArray(Math.Round(one.Warm.Resident, 2), Math.Round(one.Last.Resident, 2), Math.Round(one.Usual.Resident, 2)),
        ["anonymous"] = new JsonArray(Math.Round(one.Warm.Anonymous, 2), Math.Round(one.Last.Anonymous, 2), Math.Round(one.Usual.Anonymous, 2)),
    };
}
