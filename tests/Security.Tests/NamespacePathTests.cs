using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>CNI_NETNS is a path, and anything may be there.</summary>
public sealed class NamespacePathTests
{
    private const int InvalidNetns = 8;
    private const int NamespaceMissing = 103;

    [Theory]
    [InlineData("its path")]
    [InlineData("/proc/self/ns/net")]
    [InlineData("/proc/thread-self/ns/net")]
    [InlineData("a process in it")]
    [InlineData("a symbolic link")]
    [InlineData("a chain of links")]
    [InlineData("another mount")]
    public void The_host_s_own_namespace_is_refused_by_every_name(string name)
    {
        using Bed bed = new();
        bed.Added("other", 31005);
        KernelState before = Bed.Settled(bed.Host);
        string link = Path.Combine(bed.Net.StateDirectory, "link");
        using Process inside = bed.Host.Start("sleep", "1000");
        try
        {
            string path = name switch
            {
                "its path" => bed.Host.Path,
                "a process in it" => string.Create(CultureInfo.InvariantCulture, $"/proc/{inside.Id}/ns/net"),
                "a symbolic link" => Linked(link, bed.Host.Path),
                "a chain of links" => Linked(link + "2", Linked(link, bed.Host.Path)),
                "another mount" => Mounted(link, bed.Host),
                _ => name,
            };
            foreach (IReadOnlyDictionary<string, string?> extra in new[] { new Dictionary<string, string?>(), new() { ["CNI_NETNS_OVERRIDE"] = "1" } })
            {
                Bed.Fails(bed.Plugin.Run(bed.Plugin.Attachment("ADD", path, "c1") with { Extra = extra }), InvalidNetns);
                PluginResult check = bed.Plugin.Run(bed.Plugin.Attachment("CHECK", path, "other") with { Extra = extra });
                Assert.True(check.ErrorCode == InvalidNetns, check.ToString());
            }

            // DEL has nothing to take down and says so; the reference library tells the runtime of its mistake only after the removal.
            PluginResult deleted = bed.Plugin.Run(bed.Plugin.Attachment("DEL", path, "c1"));
            Assert.True(deleted.Succeeded || deleted.ErrorCode == InvalidNetns, deleted.ToString());
            bed.Plugin.Run(bed.Plugin.Attachment("DEL", path, "c1") with { Extra = new Dictionary<string, string?> { ["CNI_NETNS_OVERRIDE"] = "1" } }).Require();
            Bed.Unchanged(before, bed.Host);
            Assert.Single(bed.Records);
        }
        finally
        {
            inside.Kill();
            if (name == "another mount")
            {
                CommandResult.Run("umount", "-l", link).Require();
            }
        }
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("a dangling link")]
    [InlineData("an empty file")]
    [InlineData("a directory")]
    [InlineData("a fifo")]
    [InlineData("a socket")]
    [InlineData("/dev/null")]
    [InlineData("/dev/tty")]
    [InlineData("/proc/self/ns/mnt")]
    [InlineData("/proc/self/ns/pid")]
    [InlineData("/proc/self/ns/user")]
    [InlineData("/proc/self/ns/uts")]
    [InlineData("/proc/self/status")]
    [InlineData("/proc/self/ns/net/")]
    [InlineData("a relative path")]
    [InlineData("a long path")]
    [InlineData("a path with a line end")]
    public void What_is_no_network_namespace_is_refused_and_left_alone(string kind)
    {
        using Bed bed = new();
        Namespace other = bed.Added("other", 31005);
        KernelState before = Bed.Settled(bed.Host);
        KernelState inside = Bed.Settled(other);
        string path = Path.Combine(bed.Net.StateDirectory, "place");
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        switch (kind)
        {
            case "nothing":
                break;
            case "a dangling link":
                File.CreateSymbolicLink(path, path + "x");
                break;
            case "an empty file":
                File.WriteAllBytes(path, []);
                break;
            case "a directory":
                Directory.CreateDirectory(path);
                break;
            case "a fifo":
                CommandResult.Run("mkfifo", path).Require();
                break;
            case "a socket":
                listener.Bind(new UnixDomainSocketEndPoint(path));
                break;
            case "a relative path":
                path = "place";
                break;
            case "a long path":
                path = "/" + new string('x', 10_000);
                break;
            case "a path with a line end":
                path += "\n2026-01-01T00:00:00.000+00:00 INF [1] ADD network=forged\n";
                break;
            default:
                path = kind;
                break;
        }

        PluginResult added = bed.Plugin.Run(bed.Plugin.Attachment("ADD", path, "c1"));
        Assert.False(added.TimedOut);
        Bed.Fails(added, NamespaceMissing);
        Bed.Fails(bed.Plugin.Run(bed.Plugin.Attachment("CHECK", path, "other")), NamespaceMissing);
        bed.Plugin.Run(bed.Plugin.Attachment("DEL", path, "c1")).Require();
        Bed.Unchanged(before, bed.Host);
        Bed.Unchanged(inside, other);
        Assert.Single(bed.Records);

        // Of one that is attached everything goes, whatever the path says.
        bed.Plugin.Run(bed.Plugin.Attachment("DEL", path, "other")).Require();
        bed.AssertClean();
        Assert.DoesNotContain(File.ReadAllLines(bed.Config.LogFile!), line => line.EndsWith("network=forged", StringComparison.Ordinal) && line.StartsWith("2026-01-01T", StringComparison.Ordinal));
    }

    [Fact]
    public void A_DEL_of_one_container_with_the_namespace_of_another_harms_neither_that_one_nor_the_host()
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1", 31005);
        Namespace second = bed.Added("c2", 31006);
        KernelState before = Bed.Settled(second);
        bed.Plugin.Run(bed.Plugin.Attachment("DEL", second.Path, "c1")).Require();
        Bed.Unchanged(before, second);
        bed.Plugin.Check(second, "c2").Require();
        Bed.AssertLoopbackRestored(first);
        bed.Plugin.Run(bed.Plugin.Attachment("DEL", second.Path, "unknown")).Require();
        Bed.Unchanged(before, second);
        bed.Plugin.Del(second, "c2").Require();
        bed.AssertClean();
    }

    [Fact]
    public void A_second_attachment_in_one_namespace_is_refused_or_harms_the_first_not()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        KernelState host = Bed.Settled(bed.Host);
        Bed.Fails(bed.Plugin.Add(container, "c2"), 102, "eth0");
        Bed.Unchanged(host, bed.Host);
        bed.Plugin.Check(container, "c1").Require();
        PluginResult other = bed.Plugin.Add(container, "c3", "eth1");
        if (other.Succeeded)
        {
            bed.Plugin.Del(container, "c3", "eth1").Require();
        }

        Bed.Unchanged(host, bed.Host);
        bed.Plugin.Del(container, "c1").Require();
        bed.AssertClean();
    }

    /// <summary>The path is opened once, and what it leads to afterwards does not matter.</summary>
    [Fact]
    public void A_path_that_changes_all_the_time_never_puts_anything_into_the_host_s_namespace()
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        string link = Linked(Path.Combine(bed.Net.StateDirectory, "netns"), bed.Host.Path);
        string[] targets = [container.Path, bed.Host.Path, "/dev/null", "/nowhere"];
        using CancellationTokenSource stop = new();
        Thread flipping = new(() =>
        {
            for (int turn = 0; !stop.IsCancellationRequested; turn++)
            {
                File.CreateSymbolicLink(link + "new", targets[turn % targets.Length]);
                File.Move(link + "new", link, overwrite: true);
            }
        });
        flipping.Start();
        try
        {
            for (int attempt = 0; attempt < 40; attempt++)
            {
                PluginResult added = bed.Plugin.Run(bed.Plugin.Attachment("ADD", link, "c1", "eth7"));
                Assert.True(added.Succeeded || added.ErrorCode is InvalidNetns or NamespaceMissing, added.ToString());
                Assert.Equal(added.Succeeded, container.Ip("-o link show").Contains(": eth7@", StringComparison.Ordinal));
                Assert.DoesNotContain(": eth7", bed.Host.Ip("-o link show"), StringComparison.Ordinal);
                // By a path that stays: a loopback whose namespace DEL does not find keeps its filters, and another ADD there is refused.
                PluginResult deleted = bed.Plugin.Run(bed.Plugin.Attachment("DEL", container.Path, "c1", "eth7"));
                Assert.True(deleted.Succeeded || deleted.ErrorCode == InvalidNetns, deleted.ToString());
                Assert.Empty(bed.Records);
            }
        }
        finally
        {
            stop.Cancel();
            flipping.Join();
        }

        bed.AssertClean();
    }

    private static string Linked(string path, string target)
    {
        File.CreateSymbolicLink(path, target);
        return path;
    }

    private static string Mounted(string path, Namespace place)
    {
        File.WriteAllBytes(path, []);
        CommandResult.Run("mount", "--bind", place.Path, path).Require();
        return path;
    }
}
