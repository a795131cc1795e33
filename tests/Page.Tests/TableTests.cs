using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Tests;
using CniIsolator.Testbed;
using OpenQA.Selenium;

namespace CniIsolator.Exporter.PageTests;

/// <summary>Rows, their numbers, their order and who is among them.</summary>
public sealed class TableTests(Browser browser) : PageTest(browser)
{
    [Fact]
    public void Three_containers_with_their_numbers()
    {
        Open();
        Assert.Equal(["web-a1", "web-b2", "web-c3"], List(Names));
        Assert.Equal("3", Text("#count"));
        Assert.Equal("2,048 of 24,576", Text("#pool"));
        Assert.Equal("1 unreadable record, 1 container with warnings", Text("#faults"));

        // An htb counts its leaf's drops: 3 of the link, 20 of the queues, 7 foreign.
        Assert.Equal("30", Cell("web-a1", "Drops"));
        Assert.Equal("7 foreign", Cell("web-a1", "Drops", ".sub"));
        Assert.Equal("42", Cell("web-a1", "Retransmits"));
        Assert.Equal("31005 tcp\n31010–31019 udp", Cell("web-a1", "Ports"));
        Assert.Equal("33792–34815", Cell("web-a1", "Port slice"));
        Assert.Equal("100 of 1,024 in use", Cell("web-a1", "Port slice", ".sub"));
        Assert.Equal("limit 4.0 MB/s", Cell("web-a1", "Receive", ".sub"));
        Assert.Equal("limit 2.0 MB/s", Cell("web-a1", "Send", ".sub"));
        Assert.Equal("1 h", Cell("web-a1", "Age"));
        Assert.Equal("1 warning\n1 unowned port", Cell("web-a1", "State", ".notes"));
        Assert.Equal("creating", Cell("web-c3", "State", ".state"));

        // What is not known is no 0.
        Assert.Equal("–", Cell("web-b2", "Retransmits"));
        Assert.Equal("–", Cell("web-b2", "Receive"));
        Assert.Equal("no limit", Cell("web-b2", "Receive", ".sub"));
    }

    [Fact]
    public void Rates_are_the_difference_of_two_answers()
    {
        Open();
        Show(Later(Site.Sample, 2, 6 << 20, 1 << 20));
        Assert.Equal("3.0 MB/s", Cell("web-a1", "Receive"));
        Assert.Equal("75 % of 4.0 MB/s", Cell("web-a1", "Receive", ".sub"));
        Assert.Equal("512 KB/s", Cell("web-b2", "Send"));
        Assert.Equal("9.0 MB/s", Text("#receiving"));
        string label = Browser.Run<string>("return document.querySelector('tbody .receive svg').getAttribute('aria-label')");
        Assert.Equal("Receive rate: now 3.0 MB/s, lowest 3.0 MB/s, highest 3.0 MB/s, limit 4.0 MB/s", label);

        Show(Later(Site.Sample, 4, 4 << 20, 0));
        Assert.Equal("1.0 MB/s", Cell("web-a1", "Receive"));
        Assert.Equal("0 B/s", Cell("web-a1", "Send"));
        Assert.Matches("^M[0-9. ]+L[0-9. ]+$", Browser.Run<string>("return document.querySelector('tbody .receive .line').getAttribute('d')"));
    }

    [Fact]
    public void It_asks_again_by_itself()
    {
        Open();
        Site.Sample = Later(Site.Sample, 2, 2 << 20, 0);
        Wait.Until(() => Cell("web-a1", "Receive") == "1.0 MB/s", "a rate");
    }

    [Fact]
    public void Nothing_is_asked_while_paused()
    {
        Open();
        Browser.Driver.FindElement(By.Id("pause")).Click();
        Assert.Equal("Paused", Text("#connection-text"));
        Site.Sample = Later(Site.Sample, 2, 2 << 20, 0);
        Ask();
        Assert.Equal("–", Cell("web-a1", "Receive"));
        Browser.Driver.FindElement(By.Id("pause")).Click();
        Wait.Until(() => Cell("web-a1", "Receive") == "1.0 MB/s", "the page to go on");
    }

    [Fact]
    public void Counters_that_fell_give_no_rate()
    {
        Open();
        Show(Later(Site.Sample, 2, 6 << 20, 1 << 20));
        Show(Later(Site.Sample, 2, -(7 << 20), 1 << 20));
        Assert.Equal("–", Cell("web-a1", "Receive"));
        Assert.Equal("–", Cell("web-a1", "Send"));
        Show(Later(Site.Sample, 2, 2 << 20, 0));
        Assert.Equal("1.0 MB/s", Cell("web-a1", "Receive"));
        Assert.DoesNotContain("-", Browser.Run<string>("return document.querySelector('tbody .receive .line').getAttribute('d')"), StringComparison.Ordinal);
    }

    [Fact]
    public void Who_goes_leaves_and_who_comes_appears()
    {
        Open();
        ContainerSample[] now = [.. Site.Sample.Containers.Skip(1), Container("d4", 4, "apple")];
        Show(Later(Site.Sample with { Containers = now }, 2, 0, 0));
        Assert.Equal(["apple", "web-b2", "web-c3"], List(Names));
        Show(Later(Site.Sample with { Containers = [] }, 2, 0, 0));
        Assert.Empty(List(Names));
        Assert.True(Browser.Driver.FindElement(By.Id("empty")).Displayed);
        Assert.False(Browser.Driver.FindElement(By.Id("containers")).Displayed);
    }

    [Fact]
    public void The_keyboard_keeps_its_place_when_its_row_goes()
    {
        Open();
        Browser.Run("document.querySelector('.toggle').focus()");
        Show(Later(Site.Sample with { Containers = [.. Site.Sample.Containers.Skip(1)] }, 2, 0, 0));
        Assert.Equal("Details of web-b2", Browser.Run<string>("return document.activeElement.getAttribute('aria-label')"));
    }

    [Fact]
    public void Sorting_by_click()
    {
        Open();
        Assert.Equal(("Container", "ascending"), Sorted());
        Header("Drops").Click();
        Assert.Equal(("Drops", "descending"), Sorted());
        Assert.Equal("web-a1", List(Names)[0]);
        Header("Age").Click();
        Assert.Equal(("Age", "ascending"), Sorted());
        Header("Age").Click();
        Assert.Equal(("Age", "descending"), Sorted());
        Assert.Equal(["web-c3", "web-b2", "web-a1"], List(Names));
    }

    [Theory]
    [InlineData("Enter")]
    [InlineData("Space")]
    public void Sorting_by_keyboard(string key)
    {
        Open();
        string pressed = key == "Enter" ? Keys.Enter : Keys.Space;

        // From the filter the next stop is the first header.
        Browser.Driver.FindElement(By.Id("filter")).SendKeys(Keys.Tab);
        IWebElement header = Browser.Driver.SwitchTo().ActiveElement();
        Assert.Equal("Container", header.Text);
        header.SendKeys(pressed);
        Assert.Equal(("Container", "descending"), Sorted());
        Assert.Equal(["web-c3", "web-b2", "web-a1"], List(Names));
        Assert.Equal("Container", Browser.Driver.SwitchTo().ActiveElement().Text);
    }

    [Fact]
    public void Unknown_values_come_last_whichever_way()
    {
        Open();
        Header("Retransmits").Click();
        Assert.Equal("web-a1", List(Names)[0]);
        Header("Retransmits").Click();
        Assert.Equal("web-a1", List(Names)[0]);
    }

    [Fact]
    public void The_order_follows_the_rates_but_not_under_somebodys_hands()
    {
        Open();
        Header("Receive").Click();
        Show(Grow("c3"));
        Assert.Equal("web-c3", List(Names)[0]);

        Browser.Driver.FindElement(By.Id("filter")).SendKeys(Keys.Tab);
        Show(Grow("b2"));
        Assert.Equal("web-c3", List(Names)[0]);
        Browser.Run("document.activeElement.blur()");
        Show(Grow("b2"));
        Assert.Equal("web-b2", List(Names)[0]);

        Sample Grow(string id) => Site.Sample with
        {
            Time = Site.Sample.Time.AddSeconds(2),
            Containers = [.. Site.Sample.Containers.Select(c => c.Attachment.Key.ContainerId == id ? Later(Samples.Of(c), 0, 8 << 20, 0).Containers[0] : c)],
        };
    }

    [Theory]
    [InlineData("B2", "web-b2")]
    [InlineData("creating", "web-c3")]
    [InlineData("31015", "web-a1")]
    [InlineData("35000", "web-b2")]
    [InlineData("unowned", "web-a1")]
    public void Filter_by_words_and_by_a_port_that_is_owned(string text, string found)
    {
        Open();
        Browser.Driver.FindElement(By.Id("filter")).SendKeys(text);
        Assert.Equal([found], List(Names));
        Assert.Equal("1 of 3 shown", Text("#shown"));
        Until("return document.getElementById('announcement').textContent === '1 of 3 containers shown'", "the number to be announced");
    }

    [Fact]
    public void A_filter_that_nobody_matches_can_be_cleared()
    {
        Open();
        Browser.Driver.FindElement(By.Id("filter")).SendKeys("nobody");
        Assert.Empty(List(Names));
        Browser.Driver.FindElement(By.Id("clear")).Click();
        Assert.Equal(3, List(Names).Length);
    }

    [Fact]
    public void Details_open_under_the_row_and_are_kept_up_to_date()
    {
        Open();
        Browser.Driver.FindElement(By.CssSelector(".toggle")).SendKeys(Keys.Enter);
        Assert.Equal("true", Browser.Driver.FindElement(By.CssSelector(".toggle")).GetAttribute("aria-expanded"));
        Assert.Contains("the egress limit is not there", Text(".details"), StringComparison.Ordinal);
        Assert.Contains("2.0 MB/s, bursts of 62.5 KB at 4.0 MB/s", Text(".details"), StringComparison.Ordinal);
        Assert.Contains("8080 tcp", Text(".details"), StringComparison.Ordinal);
        Assert.Contains("5.0 MB, 1,000 packets", Text(".details"), StringComparison.Ordinal);
        Show(Later(Site.Sample, 2, 1 << 20, 0));
        Assert.Contains("6.0 MB, 1,000 packets", Text(".details"), StringComparison.Ordinal);
    }

    [Fact]
    public void Three_hundred_stay_the_same_nodes_and_keep_focus_and_scroll()
    {
        Site.Sample = Samples.Of([.. Enumerable.Range(1, 300).Select(i => Container($"{i:d4}", 1 + (i % 20), null) with { Sockets = new SocketSample { RetransmittedSegments = i } })]);
        Open();
        Assert.Equal(300, List(Names).Length);
        Browser.Run(
            """
            window.before = [...document.querySelectorAll('tbody, tbody td, tbody path')];
            const toggle = document.querySelectorAll('.toggle')[150];
            toggle.scrollIntoView({ block: 'center' });
            toggle.focus();
            window.place = toggle.getBoundingClientRect().top;
            """);
        Sample later = Later(Site.Sample, 2, 1 << 20, 1 << 20);
        Show(later with { Containers = [.. later.Containers.Select(c => c with { Sockets = new SocketSample { RetransmittedSegments = 9999 } })] });
        Assert.Equal("9,999", Cell("web-0300", "Retransmits"));
        Assert.Equal("512 KB/s", Cell("web-0001", "Send"));
        Assert.Equal(true, Browser.Run("const now = [...document.querySelectorAll('tbody, tbody td, tbody path')]; return now.length === before.length && now.every((node, i) => node === before[i])"));
        Assert.Equal(true, Browser.Run("return document.activeElement === document.querySelectorAll('.toggle')[150]"));
        Assert.Equal(true, Browser.Run("return window.scrollY > 1000 && Math.abs(document.activeElement.getBoundingClientRect().top - window.place) < 1"));
    }

    private (string Column, string Order) Sorted()
    {
        IWebElement header = Assert.Single(Browser.Driver.FindElements(By.CssSelector("th[aria-sort]")));
        return (header.Text, header.GetAttribute("aria-sort")!);
    }
}
