using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Tests;
using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;
using CniIsolator.Testbed;
using OpenQA.Selenium;

namespace CniIsolator.Exporter.PageTests;

/// <summary>A test that looks at the page in the browser.</summary>
public abstract class PageTest(Browser browser) : IClassFixture<Browser>, IAsyncLifetime
{
    /// <summary>Received and sent by the container that Samples calls "a1".</summary>
    internal const long Received = 5 << 20;

    protected const string Names = "return [...document.querySelectorAll('tbody:not([hidden]) .name')].map(name => name.textContent)";

    protected Browser Browser { get; } = browser;

    internal Site Site { get; } = new(Three());

    public async Task InitializeAsync()
    {
        await Site.StartAsync();
        Browser.Driver.Manage().Window.Size = new System.Drawing.Size(1360, 900);
        Browser.Command("Emulation.clearDeviceMetricsOverride");
        Browser.Command("Emulation.setEmulatedMedia", new { media = "", features = Array.Empty<object>() });
        Browser.Driver.Navigate().GoToUrl("about:blank");
        Browser.Console();
        Browser.Requests();
    }

    public async Task DisposeAsync()
    {
        // No page may go on asking a server of an earlier test.
        Browser.Driver.Navigate().GoToUrl("about:blank");
        await Site.DisposeAsync();
    }

    /// <summary>A container with limits and much that is to be said of it, one that does nothing, and one that is being made.</summary>
    internal static Sample Three() => Samples.Of(
        Container("a1", 1) with
        {
            ForeignSourcePackets = 7,
            Sockets = new SocketSample { RetransmittedSegments = 42, EphemeralPortsInUse = 100, UnownedPorts = [new(6, 8080)], ActiveConnections = 12, TimeWaitConnections = 3 },
            Queues = [new("bw_limit", default(Netlink.Tc.QueueStatistics) with { Drops = 20, Overlimits = 5 }, null), new("bloat_reduction", default(Netlink.Tc.QueueStatistics) with { Drops = 20 }, null)],
            Warnings = ["the egress limit is not there"],
        },
        Container("b2", 2),
        Container("c3", 3) with { Attachment = Container("c3", 3).Attachment with { State = AttachmentState.Creating } });

    internal static ContainerSample Container(string id, int slot, string? name = null)
    {
        PortClaim[] claims = slot == 1
            ? [new(TransportProtocol.Tcp, PortRange.Single(31005)), new(TransportProtocol.Udp, PortRange.Parse("31010-31019"))]
            : [];
        Attachment attachment = Samples.Attachment(id, slot).Owning(Samples.Attachment(id, slot).Ports.Slice, claims) with
        {
            Limits = slot == 1 ? new Limits(new RateLimit(2 << 20, 4 << 20, 64_000), new RateLimit(4 << 20, 4 << 20, 64_000)) : default,
            Args = new() { ["K8S_POD_NAME"] = name ?? "web-" + id },
            Created = Samples.Time.AddHours(-slot),
        };
        LinkCounters counters = new()
        {
            SentBytes = (ulong)(Received * slot),
            SentPackets = (ulong)(1000 * slot),
            ReceivedBytes = (ulong)(3 << 20),
            ReceivedPackets = 500,
            SendDropped = slot == 1 ? 3UL : 0,
        };
        return new ContainerSample(attachment, counters);
    }

    /// <summary>The same containers some seconds later, after each received and sent so much more.</summary>
    internal static Sample Later(Sample sample, double seconds, long received, long sent) => sample with
    {
        Time = sample.Time.AddSeconds(seconds),
        Containers = [.. sample.Containers.Select(container => container with { HostEnd = Add(container.HostEnd, received, sent) })],
    };

    /// <summary>Opens the page and waits for the first answer.</summary>
    protected void Open()
    {
        Browser.Driver.Navigate().GoToUrl(Site.Address);
        Until("return document.getElementById('connection').dataset.state === 'live'", "the page to be live");
    }

    /// <summary>From now on that is so, and the page has seen it.</summary>
    internal void Show(Sample sample)
    {
        Site.Sample = sample;
        Ask();
        string time = sample.Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'");
        Until($"return document.getElementById('updated').title.endsWith('{time}')", "the page to show the answer");
    }

    /// <summary>Has the page ask now, as it does when a hidden one comes to the front.</summary>
    protected void Ask() => Browser.Run("document.dispatchEvent(new Event('visibilitychange'))");

    protected void Until(string script, string what) => Wait.Until(() => Browser.Run(script) is true, what);

    protected string Text(string selector) => Browser.Run<string>("return document.querySelector(arguments[0]).textContent", selector);

    /// <summary>Text of a container's cell, by the container's name and the column's label.</summary>
    protected string Cell(string name, string label, string part = ".main") => Browser.Run<string>(
        "return [...document.querySelectorAll('tbody')].find(row => row.querySelector('.name').textContent === arguments[0])"
        + ".querySelector(`td[data-label='${arguments[1]}'] ${arguments[2]}`).textContent",
        name,
        label,
        part);

    protected string[] List(string script) => [.. ((IEnumerable<object>)Browser.Run(script)!).Select(element => (string)element)];

    protected IWebElement Header(string text) => Browser.Driver.FindElements(By.CssSelector("thead button")).Single(button => button.Text == text);

    protected void Dark(bool dark) =>
        Browser.Command("Emulation.setEmulatedMedia", new { features = new[] { new { name = "prefers-color-scheme", value = dark ? "dark" : "light" } } });

    protected void Width(int pixels, int height = 740) =>
        Browser.Command("Emulation.setDeviceMetricsOverride", new { width = pixels, height, deviceScaleFactor = 1, mobile = pixels < 600 });

    private static LinkCounters Add(LinkCounters counters, long received, long sent)
    {
        counters.SentBytes += (ulong)received;
        counters.ReceivedBytes += (ulong)sent;
        return counters;
    }
}
