using System.Buffers;
using System.Text;
using CniIsolator.Exporter.Formats;
using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Tests;

public sealed class MetricsTests
{
    [Fact]
    public void Plain_text() => Golden.Compare("metrics.txt", Written(MetricsFormat.Prometheus, Samples.Sample()));

    [Fact]
    public void Open_metrics() => Golden.Compare("metrics.openmetrics", Written(MetricsFormat.OpenMetrics, Samples.Sample()));

    [Fact]
    public void Sockets_and_protocols_in_plain_text() => Golden.Compare("inside.txt", Written(MetricsFormat.Prometheus, Samples.Inside()));

    [Fact]
    public void Sockets_and_protocols_in_open_metrics() => Golden.Compare("inside.openmetrics", Written(MetricsFormat.OpenMetrics, Samples.Inside()));

    [Fact]
    public void Without_containers_there_are_no_families_of_theirs()
    {
        var text = Written(MetricsFormat.OpenMetrics, Samples.Of());
        Assert.DoesNotContain("portmap_network", text, StringComparison.Ordinal);
        Assert.Contains("portmap_scrape_errors_total{source=\"store\"} 3\n", text, StringComparison.Ordinal);
        Assert.EndsWith("# EOF\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_known_is_left_out()
    {
        var text = Written(MetricsFormat.Prometheus, Samples.Of() with { Capacity = null, UnreadableRecords = null, Fault = "no store" });
        Assert.DoesNotContain("ephemeral_ports", text, StringComparison.Ordinal);
        Assert.DoesNotContain("unreadable", text, StringComparison.Ordinal);
        Assert.DoesNotContain("portmap_ephemeral_ports_capacity", Written(MetricsFormat.Prometheus, Samples.Of() with { Capacity = new Capacity(null, 16, []) }), StringComparison.Ordinal);
    }

    [Fact]
    public void No_label_set_occurs_twice()
    {
        var old = Samples.Attachment();
        var text = Written(
            MetricsFormat.Prometheus,
            Samples.Of(
                new ContainerSample(old.Of("shared", ifName: "eth1") with { Created = old.Created.AddSeconds(1) }, Samples.Counters),
                new ContainerSample(old, default)));
        var series = text.Split('\n').Where(line => line.Length > 0 && line[0] != '#').Select(line => line[..line.LastIndexOf(' ')]).ToList();
        Assert.Equal(series.Count, series.Distinct().Count());
        Assert.Contains("ifname=\"eth1\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("ifname=\"eth0\"", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("*/*", false)]
    [InlineData("text/plain", false)]
    [InlineData("text/html", false)]
    [InlineData("application/openmetrics-text", true)]
    [InlineData("Application/OpenMetrics-Text; Version=\"1.0.0\"", true)]
    [InlineData("application/openmetrics-text; version=0.0.1", false)]
    [InlineData("application/openmetrics-text; version=2.0.0, text/plain", false)]
    [InlineData("application/openmetrics-text; q=0", false)]
    [InlineData("application/openmetrics-text; q=x", false)]
    [InlineData("application/openmetrics-text; q=0.5, text/plain; q=0.6", false)]
    [InlineData("application/openmetrics-text, text/plain", true)]
    [InlineData(
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
        + "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        true)]
    [InlineData(";,=;q", false)]
    public void Negotiation(string accept, bool open) =>
        Assert.Same(open ? MetricsFormat.OpenMetrics : MetricsFormat.Prometheus, MetricsFormat.Negotiate(accept));

    [Fact]
    public void Several_headers_are_one_list() =>
        Assert.Same(MetricsFormat.OpenMetrics, MetricsFormat.Negotiate("text/plain;q=0.1", null, "application/openmetrics-text"));

    private static string Written(MetricsFormat format, Sample sample)
    {
        var body = new ArrayBufferWriter<byte>();
        MetricsDocument.Write(body, format, sample, "1.2.3");
        return Encoding.UTF8.GetString(body.WrittenSpan);
    }
}
