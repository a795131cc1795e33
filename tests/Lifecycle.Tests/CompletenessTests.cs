extern alias plugin;

using CniIsolator.Lifecycle.Tests.Completeness;
using CniIsolator.Netlink.Tc;
using CniIsolator.Testbed;
using plugin::CniIsolator.KernelState;
using plugin::CniIsolator.KernelState.Objects;
using plugin::CniIsolator.KernelState.Observation;
using plugin::CniIsolator.KernelState.Plans;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>
/// Whatever a plan has is compared and mended: the plans are walked, so that what they get new is tested as well, or fails for want of a way to tamper
/// with it.
/// </summary>
public sealed class CompletenessTests
{
    private static readonly Dictionary<string, Action<Scene>> Moves = new()
    {
        ["name"] = scene => scene.Host.IpBatch("link set eth0 down", "link set eth0 name wan0", "link set wan0 up", "route add default via 10.77.0.1 dev wan0"),
        ["index"] = scene =>
        {
            string mac = scene.Net.HostMac.ToString();
            scene.Host.IpBatch(
                "link del eth0", $"link add eth0 index 777 address {mac} mtu 1500 type veth peer name wire0 netns {scene.Net.Out.Name}",
                "address add 10.77.0.2/24 dev eth0", "link set eth0 up", "route add default via 10.77.0.1 dev eth0");
            scene.Net.Out.IpBatch("address add 10.77.0.1/24 dev wire0", "link set wire0 up");
        },
        ["MAC"] = scene => scene.Host.Ip("link set eth0 address 02:00:00:00:00:77"),
        ["MTU"] = scene => scene.Host.Ip("link set eth0 mtu 1400"),
        ["address"] = scene => scene.Host.IpBatch(
            "address del 10.77.0.2/24 dev eth0", "address add 10.77.0.3/24 dev eth0", "route add default via 10.77.0.1 dev eth0"),
        ["gateway"] = scene => scene.Host.Ip("route replace default via 10.77.0.9 dev eth0"),
    };

    public static TheoryData<string> MovesOfTheHost => [.. Moves.Keys];

    [Theory]
    [InlineData("container")]
    [InlineData("host end")]
    [InlineData("entries")]
    [InlineData("shared")]
    public void Whatever_somebody_takes_or_changes_is_named_and_mended_and_nothing_else_is_changed(string part)
    {
        using Scene scene = new();
        IReadOnlyList<string> before = scene.Snapshot();
        foreach (KernelObject planned in Tampering.Sample(scene.Parts[part]).Where(o => !IsHarmless(o)))
        {
            foreach (Tampering tampering in Tampering.Of(planned))
            {
                tampering.Do(scene);
                scene.AssertMended(planned, tampering, isShared: part == "shared");
                tampering.Undo?.Invoke(scene);
            }
        }

        Assert.Equal("", scene.Check());
        scene.AssertUnchanged(before);
    }

    [Theory]
    [InlineData("container")]
    [InlineData("host end")]
    [InlineData("entries")]
    [InlineData("shared")]
    public void Every_single_filter_is_missed_and_made_again(string part)
    {
        using Scene scene = new();
        IReadOnlyList<string> before = scene.Snapshot();
        Plan plan = scene.Parts[part];
        Place place = plan.Objects[0].Place;
        scene.Run(place, (_, kernel) =>
        {
            Reconciler reconciler = new(kernel);
            foreach (FilterState planned in plan.Objects.OfType<FilterState>().Where(f => f.Filter is U32Node))
            {
                kernel.Apply([new Change(ChangeKind.Delete, kernel.Find(planned)!)]).OrThrow();
                Assert.Equal(planned.Subject, Assert.Single(reconciler.Diff(plan)).Subject);
                reconciler.Converge(plan);
                Assert.Empty(reconciler.Diff(plan));
            }

            return true;
        });
        Assert.Equal("", scene.Check());
        scene.AssertUnchanged(before);
    }

    [Fact]
    public void Checksums_that_a_container_leaves_to_others_are_named_and_mended()
    {
        using Scene scene = new(kernelTypes: false);
        OffloadState planned = Assert.Single(scene.Plan.Container.Objects.OfType<OffloadState>());
        Assert.Equal("", scene.Check());
        Tampering tampering = Assert.Single(Tampering.Of(planned));
        tampering.Do(scene);
        scene.AssertMended(planned, tampering, isShared: false);
    }

    [Fact]
    public void What_the_administrator_may_set_is_no_difference_and_stays()
    {
        using Scene scene = new();
        SysctlState[] harmless = [.. scene.Plan.HostEnd.Objects.OfType<SysctlState>().Where(IsHarmless)];
        Assert.NotEmpty(harmless);
        foreach (SysctlState sysctl in harmless)
        {
            Assert.Single(Tampering.Of(sysctl)).Do(scene);
        }

        string[] set = [.. harmless.Select(s => scene.Host.Sysctl(s.Name))];
        Assert.DoesNotContain(harmless.Zip(set), pair => pair.First.Value == pair.Second);
        Assert.Equal("", scene.Check());
        Assert.Equal("nothing to repair\n", scene.Repair().Require());
        Assert.Equal(set, harmless.Select(s => scene.Host.Sysctl(s.Name)));
    }

    [Theory]
    [MemberData(nameof(MovesOfTheHost))]
    public void Whatever_the_host_changes_is_named_and_followed(string attribute)
    {
        using Scene scene = new();
        MasterState planned = (MasterState)Assert.Single(scene.Parts["master"].Objects);
        Assert.Equal(planned.Attributes.Select(a => a.Name).Order(), Moves.Keys.Order());
        Moves[attribute](scene);
        string said = scene.Check();
        Bed.Says(said, attribute switch
        {
            "name" => "master: expected ",
            "gateway" => "gateway of the host: expected ",
            _ => $"{attribute} of eth0: expected ",
        });
        CommandResult repaired = scene.Repair(all: true);
        Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, repaired.ToString());
        Bed.Says(repaired.Output, "mended       testnet/c0/eth0: ", "mended       testnet/c1/eth0: ");

        // The result of the ADD, which the runtime keeps, has the former address.
        said = scene.Check(attribute == "name" ? "wan0" : null);
        Assert.True(attribute == "address" ? said.EndsWith("; prevResult: expected address 10.77.0.3/24, found 10.77.0.2/24", StringComparison.Ordinal) : said.Length == 0, said);
        Assert.DoesNotContain("differences", said, StringComparison.Ordinal);
        Assert.Equal("nothing to repair\n", scene.Repair(all: true).Require());
    }

    [Theory]
    [InlineData("kind")]
    [InlineData("index")]
    [InlineData("index of the far end")]
    public void Another_interface_in_the_place_of_the_container_s_is_named_and_left(string attribute)
    {
        using Scene scene = new();
        VethState planned = Assert.Single(scene.Plan.Container.Objects.OfType<VethState>());
        Assert.Equal(["kind", "index", "index of the far end"], Tampering.Fixed(planned));
        scene.Container.IpBatch($"link del {planned.Name}", attribute switch
        {
            "kind" => $"link add {planned.Name} index {planned.Index} type bridge",
            "index" => $"link add {planned.Name} index {planned.Index + 50} type veth peer name far0",
            _ => $"link add {planned.Name} index {planned.Index} type veth peer name far0 index {planned.HostIndex + 50}",
        });
        AssertLeft(scene, $"{attribute} of {planned.Subject}: expected ");
    }

    [Theory]
    [InlineData("kind")]
    [InlineData("index")]
    public void Another_interface_in_the_place_of_the_host_s_end_is_named_and_left(string attribute)
    {
        using Scene scene = new();
        LinkState planned = scene.Plan.HostEnd.Gate!.Link;
        Assert.Equal(["kind", "index"], Tampering.Fixed(planned));
        scene.Host.IpBatch($"link del {planned.Name}", attribute == "kind"
            ? $"link add {planned.Name} index {planned.Index} type bridge"
            : $"link add {planned.Name} index {planned.Index + 50} type veth peer name far0");
        AssertLeft(scene, $"{attribute} of {planned.Subject}: expected ");
    }

    private static bool IsHarmless(KernelObject one) => one is SysctlState { Weight: SysctlWeight.Harmless };

    private static void AssertLeft(Scene scene, string difference)
    {
        Bed.Says(scene.Check(), difference);
        IReadOnlyList<string> before = scene.Snapshot();
        CommandResult refused = scene.Repair();
        Assert.True(refused.ExitCode == 1 && refused.Error.Length > 0, refused.ToString());
        scene.AssertUnchanged(before);
    }
}
