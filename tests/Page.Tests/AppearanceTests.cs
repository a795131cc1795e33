using System.Text.Json.Nodes;
using CniIsolator.Exporter.Tests;

namespace CniIsolator.Exporter.PageTests;

/// <summary>Readable on a phone, in the dark, and by a screen reader.</summary>
public sealed class AppearanceTests(Browser browser) : PageTest(browser)
{
    /// <summary>Every element with text of its own whose contrast to what is behind it (WCAG 2, 1.4.3) is below 4.5; disabled buttons are exempt.</summary>
    private const string TooFaint =
        """
        const parse = text => text.match(/[\d.]+/g).map(Number);
        const luminance = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const ground = node => {
            for (; node; node = node.parentElement) {
                const color = parse(getComputedStyle(node).backgroundColor);
                if (color.length === 3 || color[3] === 1) return color;
            }
            throw new Error('no ground');
        };
        const found = [];
        for (const node of document.querySelectorAll('body *')) {
            const own = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim() !== '');
            if (!own || node.disabled || !node.checkVisibility()) continue;
            const [light, dark] = [luminance(parse(getComputedStyle(node).color)), luminance(ground(node))].sort((a, b) => b - a);
            const contrast = (light + 0.05) / (dark + 0.05);
            if (contrast < 4.5) found.push(`${node.tagName}.${node.className} "${node.textContent}" ${contrast.toFixed(2)}`);
        }
        return found;
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Contrast_is_enough_in_either_scheme(bool dark)
    {
        Dark(dark);
        Open();
        Show(Later(Site.Sample, 2, 8 << 20, 4 << 20));
        Show(Later(Site.Sample with { Fault = "no store" }, 2, 8 << 20, 4 << 20));
        Browser.Run("document.querySelector('.toggle').click()");
        double ground = Browser.Run<double>("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b) / 3");
        Assert.InRange(ground, dark ? 0 : 200, dark ? 50 : 255);
        Assert.Empty(List(TooFaint));

        // The message that it is gone, and stale rows.
        await Site.DisposeAsync();
        Ask();
        Until("return document.getElementById('connection').dataset.state === 'lost'", "the loss to be noticed");
        Assert.Empty(List(TooFaint));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(300)]
    public void Nothing_scrolls_sideways(int containers)
    {
        Site.Sample = containers == 3 ? Three() : Samples.Of([.. Enumerable.Range(1, containers).Select(i => Container($"{i:d4}", 1 + (i % 20)))]);
        Open();
        Show(Later(Site.Sample, 2, 900 << 20, 900 << 20));
        Browser.Run("document.querySelector('.toggle').click()");
        foreach (int width in new[] { 320, 360, 600, 820, 1151, 1152, 1280, 1360, 1439, 1440, 1920 })
        {
            Width(width);
            Assert.Equal((width, ""), (width, Browser.Run<string>(
                """
                const wide = document.documentElement.clientWidth;
                return document.documentElement.scrollWidth <= wide ? '' : [...document.querySelectorAll('body *')]
                    .filter(node => node.getBoundingClientRect().right > wide + 1).map(node => node.tagName + '.' + node.className).slice(0, 9).join(' ');
                """)));
        }
    }

    [Theory]
    [InlineData(1360)]
    [InlineData(360)]
    public void A_screen_reader_finds_table_headers_and_names(int width)
    {
        Width(width);
        Open();
        Show(Later(Site.Sample, 2, 1 << 20, 1 << 20));
        List<(string Role, string Name)> tree =
        [
            .. Browser.Command("Accessibility.getFullAXTree")["nodes"]!.AsArray()
                .Where(node => !(bool)node!["ignored"]!)
                .Select(node => ((string?)node!["role"]?["value"] ?? "", Value(node["name"]))),
        ];
        Assert.Contains("rates", Assert.Single(tree, node => node.Role == "table").Name, StringComparison.Ordinal);
        Assert.Equal(9, tree.Count(node => node.Role == "columnheader"));
        Assert.Equal(3, tree.Count(node => node.Role == "rowheader"));
        Assert.Equal(3 * 8, tree.Count(node => node.Role is "cell" or "gridcell"));
        Assert.All(tree.Where(node => node.Role is "button" or "searchbox" or "image" or "meter" or "link"), node => Assert.NotEqual("", node.Name));
        Assert.Contains(("button", "Retransmits"), tree);
        Assert.Contains(("button", "Details of web-a1"), tree);
        Assert.Contains(("searchbox", "Filter"), tree);
        Assert.Equal(6, tree.Count(node => node.Role == "image" && node.Name.Contains(" rate: now ", StringComparison.Ordinal)));
        Assert.Single(tree, node => node.Role == "status");
    }

    [Fact]
    public void Numbers_that_change_are_not_announced()
    {
        Open();
        Browser.Run("window.said = []; new MutationObserver(() => said.push(1)).observe(document.querySelector('[role=status]'), { childList: true, characterData: true, subtree: true })");
        Show(Later(Site.Sample, 2, 1 << 20, 1 << 20));
        Show(Later(Site.Sample, 2, 2 << 20, 1 << 20));
        Assert.Equal(0, Browser.Run<int>("return said.length"));
        Assert.Equal(1, Browser.Run<int>("return document.querySelectorAll('[role=status], [role=alert], [aria-live]').length"));
    }

    [Fact]
    public void Focus_can_be_seen_and_motion_can_be_switched_off()
    {
        Open();
        Browser.Driver.FindElement(OpenQA.Selenium.By.Id("filter")).SendKeys(OpenQA.Selenium.Keys.Tab);
        Assert.Equal("2px solid", Browser.Run<string>("const style = getComputedStyle(document.activeElement); return `${style.outlineWidth} ${style.outlineStyle}`"));
        Assert.NotEqual("0s", Motion());
        Browser.Command("Emulation.setEmulatedMedia", new { features = new[] { new { name = "prefers-reduced-motion", value = "reduce" } } });
        Assert.Equal("0s", Motion());

        string Motion() => Browser.Run<string>("return getComputedStyle(document.querySelector('.toggle'), '::before').transitionDuration");
    }

    private static string Value(JsonNode? property) => (string?)property?["value"] ?? "";
}
