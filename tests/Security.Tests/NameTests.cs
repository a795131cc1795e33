using System.Text.RegularExpressions;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>Names come into paths of files, of sysctls, into links' names and aliases.</summary>
public sealed partial class NameTests
{
    public static TheoryData<string> BadIdentifiers =>
    [
        "..", ".", "../c1", "../../etc/passwd", "/etc/passwd", "a/b", "a/../b", ".hidden", "-x", "_x", "a b", "a\nb", "a\tb", "c1\n", "ü", "a%2fb", "a%n", "a\\b", "a\u001b[31m",
        "$(id)", "`id`", "a;b", "a:b", "*", "~", "\u202ea", "a\u0000b",
    ];

    [Theory]
    [MemberData(nameof(BadIdentifiers))]
    public void A_network_or_container_that_is_no_identifier_is_refused(string name)
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        string[] files = Files(bed);
        foreach (string command in new[] { "ADD", "CHECK", "DEL" })
        {
            PluginResult network = bed.Plugin.Run(bed.Plugin.Attachment(command, container.Path, "c1", config: bed.Config with { Name = name }));
            Assert.True(network.ErrorCode is 4 or 7, network.ToString());
            if (!name.Contains('\0', StringComparison.Ordinal))
            {
                Bed.Fails(bed.Plugin.Run(bed.Plugin.Attachment(command, container.Path, name)), 4);
            }
        }

        Assert.Equal(files, Files(bed).Where(file => !file.EndsWith("plugin.log", StringComparison.Ordinal)));
        bed.AssertClean();
    }

    [Theory]
    [InlineData("a..b", "c..1")]
    [InlineData("host", "lock")]
    [InlineData("freed.json", "host.json")]
    [InlineData("all", "default")]
    [InlineData("0", "9")]
    public void An_identifier_that_looks_like_a_file_of_ours_is_one_like_any_other(string network, string id)
    {
        using Bed bed = new(config => config with { Name = network });
        Attach(bed, id);
    }

    [Theory]
    [InlineData(300)]
    [InlineData(10_000)]
    public void A_long_identifier_is_one_like_any_other(int length)
    {
        using Bed bed = new(config => config with { Name = new string('n', length) });
        Attach(bed, new string('c', length));
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("a/b")]
    [InlineData("../eth0")]
    [InlineData("a:b")]
    [InlineData("a b")]
    [InlineData("a\nb")]
    [InlineData("sixteencharacters")]
    [InlineData("üüüüüüüü")]
    [InlineData("lo")]
    [InlineData("all")]
    [InlineData("default")]
    [InlineData("eth%d")]
    [InlineData("%s%s")]
    [InlineData("%n")]
    [InlineData("é")]
    [InlineData("...")]
    [InlineData("-h")]
    [InlineData("a\u001b[31m")]
    public void An_interface_name_is_used_as_it_is_or_refused_without_a_trace(string name)
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        PluginResult added = bed.Plugin.Run(bed.Plugin.Attachment("ADD", container.Path, "c1", name));
        if (added.Succeeded)
        {
            Assert.True(container.Run(() => Directory.Exists($"/proc/sys/net/ipv4/conf/{name}")), $"no interface {name}");
            Assert.DoesNotContain('\u001b', bed.Plugin.CommandLine("list").Require());
            Assert.DoesNotContain('\u001b', bed.Plugin.CommandLine("show", "c1").Require());
            bed.Plugin.Run(bed.Plugin.Attachment("DEL", container.Path, "c1", name)).Require();
        }
        else
        {
            Bed.Unchanged(inside, container);
        }

        bed.AssertClean();
    }

    [Fact]
    public void What_the_framework_calls_its_tasks_steers_nobody_s_terminal()
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        bed.Plugin.Add(container, "c1", arguments: "IgnoreUnknown=1;K8S_POD_NAME=a\u001b]0;K8S_POD_NAMESPACE=b\u001b[2J\nstate:  fine").Require();
        foreach (string text in new[] { bed.Plugin.CommandLine("list").Require(), bed.Plugin.CommandLine("show", "c1").Require(), bed.Plugin.CommandLine("show", "c1", "--json").Require() })
        {
            Assert.DoesNotContain('\u001b', text);
            Assert.DoesNotContain("\nstate:  fine", text, StringComparison.Ordinal);
        }

        Assert.DoesNotContain('\u001b', File.ReadAllText(bed.Config.LogFile!));
    }

    private static void Attach(Bed bed, string id)
    {
        Namespace container = bed.Container();
        bed.Plugin.Add(container, id).Require();
        Assert.All(Files(bed), file => Assert.Matches(OwnFiles(), Path.GetRelativePath(bed.Net.StateDirectory, file)));
        bed.Plugin.Check(container, id).Require();
        bed.Plugin.Del(container, id).Require();
        bed.AssertClean();
    }

    private static string[] Files(Bed bed) => [.. Directory.GetFiles(bed.Net.StateDirectory, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    [GeneratedRegex(@"\A(plugin\.log|store/(pmi[0-9a-f]{12}|host|freed|networks)\.json|store/(host\.)?lock)\z")]
    private static partial Regex OwnFiles();
}
