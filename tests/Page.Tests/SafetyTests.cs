using System.Net;
using CniIsolator.Exporter.Tests;
using OpenQA.Selenium;

namespace CniIsolator.Exporter.PageTests;

/// <summary>Names that others chose, an exporter that goes away, and where the page looks for things.</summary>
public sealed class SafetyTests(Browser browser) : PageTest(browser)
{
    private const string Markup = "<img src=x onerror=\"window.run=1\"><script>window.run=1</script>";

    [Fact]
    public void Hostile_names_are_text()
    {
        string turned = "\u202Egnp.exe\u0627\u0644";
        string endless = new('x', 5000);
        Site.Sample = Samples.Of(
            Container("a1", 1, Markup) with { Warnings = [Markup] },
            Container("b2", 2, turned),
            Container("c3", 3, endless) with { Attachment = Container("c3", 3, endless).Attachment.Of(Markup, ifName: Markup) });
        Open();
        Browser.Run("document.querySelectorAll('.toggle').forEach(toggle => toggle.click())");
        Assert.Equal([Markup, endless, turned], [.. List(Names).Order(StringComparer.Ordinal)]);
        Assert.Equal(true, Browser.Run("return window.run === undefined && document.querySelectorAll('main img, main script').length === 0"));
        foreach (int width in new[] { 1360, 360 })
        {
            Width(width);
            Assert.Equal(true, Browser.Run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth"));
        }

        // The turned name ends with its element: what follows reads from left to right.
        Assert.Equal("isolate", Browser.Run<string>("return getComputedStyle(document.querySelector('.name')).unicodeBidi"));
        Assert.Empty(Browser.Console());
    }

    [Fact]
    public void Hostile_names_are_text_in_announcements_and_faults()
    {
        Site.Sample = Three() with { Fault = Markup };
        Open();
        Assert.Contains(Markup, Text("#fault"), StringComparison.Ordinal);
        Assert.Equal(true, Browser.Run("return window.run === undefined && document.querySelectorAll('main img').length === 0"));
    }

    [Fact]
    public void Nothing_comes_from_elsewhere_and_nothing_is_complained_about()
    {
        Open();
        Show(Later(Site.Sample, 2, 1 << 20, 1 << 20));
        Browser.Run("document.querySelector('.toggle').click()");
        IReadOnlyList<Uri> requests = [.. Browser.Requests().Where(uri => uri.Scheme != "about")];
        Assert.Contains(requests, uri => uri.AbsolutePath == "/containers.json");
        Assert.All(requests, uri => Assert.Equal(Site.Address.Authority, uri.Authority));
        Assert.Empty(Browser.Console());
    }

    /// <summary>The policy is no header only: a page that broke it would be refused.</summary>
    [Fact]
    public void The_policy_is_in_force()
    {
        Open();
        Browser.Run("const script = document.createElement('script'); script.textContent = 'window.run = 1'; document.body.append(script)");
        Assert.Equal(true, Browser.Run("return window.run === undefined"));
        Assert.Contains(Browser.Console(), line => line.Contains("Content Security Policy", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_exporter_that_stops_leaves_stale_values_until_it_is_back()
    {
        Open();
        Show(Later(Site.Sample, 2, 2 << 20, 0));
        await Site.DisposeAsync();
        Ask();
        Until("return document.getElementById('connection').dataset.state === 'lost'", "the loss to be noticed");
        Assert.Equal("Connection lost", Text("#announcement"));
        Assert.Contains("last known", Text("#lost"), StringComparison.Ordinal);
        Assert.StartsWith("stale", Cell("web-a1", "State", ".notes"), StringComparison.Ordinal);
        Assert.Equal("1.0 MB/s", Cell("web-a1", "Receive"));
        Assert.True(Browser.Driver.FindElement(By.Id("lost")).Displayed);

        await Site.StartAsync();

        // It tries again by itself, later each time.
        Until("return document.getElementById('connection').dataset.state === 'live'", "the page to find it again");
        Assert.False(Browser.Driver.FindElement(By.Id("lost")).Displayed);
        Assert.Equal("Connected again", Text("#announcement"));
        Assert.DoesNotContain("stale", Cell("web-a1", "State", ".notes"), StringComparison.Ordinal);
    }

    [Fact]
    public void An_incomplete_answer_is_told_and_takes_nobody_away()
    {
        Open();
        Show(Later(Site.Sample, 2, 1 << 20, 0));
        Show(Later(Site.Sample with { Containers = [], Capacity = null, UnreadableRecords = null, Fault = "no store" }, 2, 0, 0));
        Assert.Contains("no store", Text("#fault"), StringComparison.Ordinal);
        Assert.Equal(3, List(Names).Length);
        Assert.Equal("stale", Cell("web-b2", "State", ".notes"));
        Assert.Equal("–", Text("#count"));
        Assert.False(Browser.Driver.FindElement(By.Id("empty")).Displayed);
        Show(Later(Three(), 6, 0, 0));
        Assert.False(Browser.Driver.FindElement(By.Id("fault")).Displayed);
        Assert.Equal("", Cell("web-b2", "State", ".notes"));
    }

    [Fact]
    public async Task Files_are_answered_as_a_browser_wants_them()
    {
        using HttpClient client = new() { BaseAddress = Site.Address };
        using HttpResponseMessage page = await client.GetAsync("/");
        Assert.Equal("text/html; charset=utf-8", page.Content.Headers.ContentType!.ToString());
        string policy = page.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; ", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", page.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("no-referrer", page.Headers.GetValues("Referrer-Policy").Single());
        Assert.Equal("no-cache", page.Headers.CacheControl!.ToString());

        using HttpRequestMessage again = new(HttpMethod.Get, "/");
        again.Headers.IfNoneMatch.Add(page.Headers.ETag!);
        using HttpResponseMessage unchanged = await client.SendAsync(again);
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);

        using HttpRequestMessage head = new(HttpMethod.Head, "/page/page.js");
        using HttpResponseMessage headed = await client.SendAsync(head);
        Assert.Equal((HttpStatusCode.OK, "text/javascript"), (headed.StatusCode, headed.Content.Headers.ContentType!.MediaType));
        Assert.True(headed.Content.Headers.ContentLength > 1000);
        Assert.Empty(await headed.Content.ReadAsByteArrayAsync());

        using HttpResponseMessage posted = await client.PostAsync("/", null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, posted.StatusCode);
        using HttpResponseMessage missing = await client.GetAsync("/page/../page.html");
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        using HttpResponseMessage json = await client.GetAsync("/containers.json");
        Assert.Equal(("application/json", "no-store"), (json.Content.Headers.ContentType!.ToString(), json.Headers.CacheControl!.ToString()));
    }
}
