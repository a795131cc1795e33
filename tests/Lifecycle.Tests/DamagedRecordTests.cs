using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>A record that cannot be read is rebuilt from the kernel or refused; its ports are never owned twice.</summary>
public sealed class DamagedRecordTests
{
    public static TheoryData<string> Damages => ["garbage", "truncated", "empty", "newer", "null", "of another key"];

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Of_a_living_container_it_is_rebuilt_by_the_next_ADD(string damage)
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1", 31005);
        string path = bed.RecordPath("c1");
        string before = File.ReadAllText(path);
        Damage(path, damage);
        Bed.Fails(bed.Plugin.Add(bed.Container(), "x", config: bed.Config.WithPorts(31005)), 101, "31005", "c1");
        Namespace second = bed.Added("c2", 31006);
        Assert.Equal(2, bed.Records.Length);
        JsonObject record = bed.Record("c1");
        JsonNode original = JsonNode.Parse(before)!;
        original["ports"]!.AsObject().Remove("networkPorts");
        original["ports"]!.AsObject().Remove("networkPool");
        foreach (string key in new[] { "key", "numbers", "host", "ports", "hostLoopback" })
        {
            Assert.Equal(original[key]!.ToJsonString(), record[key]!.ToJsonString());
        }

        Assert.NotEqual(bed.Slice("c1"), bed.Slice("c2"));
        await bed.AssertReachableAsync(first, 31005);
        await bed.AssertReachableAsync(second, 31006);
        bed.Plugin.Check(first, "c1").Require();
        Bed.Fails(bed.Plugin.Add(first, "c1"), 102);
        bed.Plugin.Del(first, "c1").Require();
        Bed.AssertLoopbackRestored(first);
        bed.Plugin.Del(second, "c2").Require();
        bed.AssertClean();
    }

    [Fact]
    public void Of_an_earlier_release_it_stops_every_ADD_until_its_container_has_ended()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        string path = bed.RecordPath("c1");
        bed.EditRecord("c1", record => record["version"] = 1);
        string before = File.ReadAllText(path);
        PluginResult refused = bed.Plugin.Add(bed.Container(), "c2");
        Bed.Fails(refused, 105, path, "version 1", "drain the host");
        Assert.Equal(before, File.ReadAllText(path));
        Assert.Single(bed.Records);
        Bed.Says(bed.Plugin.CommandLine("list").Error, path, "drain the host");
        Bed.Says(bed.Plugin.CommandLine("doctor").Output, path, "drain the host", "every ADD fails until it is gone");
        bed.Plugin.CommandLine("gc").Require();
        Assert.Equal(before, File.ReadAllText(path));
        bed.Plugin.Del(container, "c1").Require();
        bed.AssertClean();
        bed.Added("c2");
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public void Of_a_living_container_DEL_takes_it_away(string damage)
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        Damage(bed.RecordPath("c1"), damage);
        bed.Plugin.Del(container, "c1").Require();
        Bed.AssertLoopbackRestored(container);
        bed.AssertClean();
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Of_a_dead_container_it_is_set_aside_and_told_once(string damage)
    {
        using Bed bed = new();
        Namespace dead = bed.Added("c1", 31005);
        string path = bed.RecordPath("c1");
        SliceTests.Kill(bed, dead, "c1");
        Damage(path, damage);
        Namespace container = bed.Container();
        Bed.Fails(bed.Plugin.Add(container, "c2", config: bed.Config.WithPorts(31005)), 105, path, "unreadable");
        Assert.False(File.Exists(path));
        Assert.True(File.Exists(path + ".unreadable"));
        bed.Plugin.Add(container, "c2", config: bed.Config.WithPorts(31005)).Require();
        await bed.AssertReachableAsync(container, 31005);
        bed.Plugin.Check(container, "c2").Require();
        bed.Plugin.Del(null, "c1").Require();
        bed.Plugin.Del(container, "c2").Require();
        bed.AssertClean();
    }

    [Fact]
    public void One_that_cannot_be_rebuilt_stops_every_ADD_until_its_container_is_deleted()
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1", 31005);
        string path = bed.RecordPath("c1");
        string veth = bed.HostInterface("c1");
        Damage(path, "empty");
        bed.Host.Execute("ip", "link", "set", "dev", veth, "alias", "").Require();
        Namespace second = bed.Container();
        for (int attempt = 0; attempt < 2; attempt++)
        {
            Bed.Fails(bed.Plugin.Add(second, "c2"), 105, path, veth, "DEL");
        }

        bed.Plugin.Del(first, "c1").Require();
        bed.Plugin.Add(second, "c2").Require();
        bed.Plugin.Del(second, "c2").Require();
        bed.AssertClean();
    }

    [Theory]
    [InlineData("file")]
    [InlineData("symbolic link")]
    [InlineData("open to all")]
    [InlineData("below a file")]
    public void A_state_directory_that_cannot_be_trusted_is_refused(string kind)
    {
        using Bed bed = new(config => kind == "below a file" ? config with { StateDirectory = config.LogFile + "/store" } : config);
        switch (kind)
        {
            case "file":
                File.WriteAllText(bed.Store, "");
                break;
            case "symbolic link":
                Directory.CreateSymbolicLink(bed.Store, bed.Net.StateDirectory);
                break;
            case "open to all":
                Directory.CreateDirectory(bed.Store);
                File.SetUnixFileMode(bed.Store, (UnixFileMode)0b111_111_111);
                break;
            default:
                File.WriteAllText(bed.Config.LogFile!, "");
                break;
        }

        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        Bed.Fails(bed.Plugin.Add(container, "c1"), 105, bed.Store);
        Bed.Unchanged(inside, container);
        Bed.Unchanged(bed.Before, bed.Host);
    }

    [Fact]
    public void A_host_note_that_cannot_be_read_keeps_no_container_from_coming_and_going()
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1", 31005);
        File.WriteAllText(Path.Combine(bed.Store, "host.json"), "{");
        File.WriteAllText(Path.Combine(bed.Store, "freed.json"), "garbage");
        Namespace second = bed.Added("c2");
        bed.Plugin.Del(first, "c1").Require();
        bed.Plugin.Del(second, "c2").Require();
        Assert.Empty(bed.Records);
        bed.Plugin.Add(first, "c1").Require();
        bed.Plugin.Check(first, "c1").Require();
    }

    private static void Damage(string path, string damage)
    {
        string text = File.ReadAllText(path);
        JsonNode record = JsonNode.Parse(text)!;
        if (damage == "newer")
        {
            record["version"] = 99;
        }
        else
        {
            record["key"]!["containerId"] = "somebody";
        }

        File.WriteAllText(path, damage switch
        {
            "garbage" => "\0\u0001 not JSON",
            "truncated" => text[..(text.Length / 2)],
            "empty" => "",
            "null" => "null",
            _ => record.ToJsonString(),
        });
    }
}
