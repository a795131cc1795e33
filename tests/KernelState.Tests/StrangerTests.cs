using System.Net;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Tests;

/// <summary>What is in nobody's plan, in the places where that counts.</summary>
public sealed class StrangerTests
{
    private const int FreeNode = 0xabc;

    [Theory]
    [InlineData("both limits, a flow, programs", "container")]
    [InlineData("both limits, a flow, programs", "host end")]
    [InlineData("bare", "container")]
    [InlineData("bare", "host end")]
    [InlineData("both limits, a flow, programs", "entries")]
    [InlineData("bare", "entries")]
    [InlineData("both limits, a flow, programs", "shared")]
    [InlineData("bare", "shared")]
    public void Each_is_removed_and_named_where_it_is_to_be_reported(string attachment, string part)
    {
        Shape shape = Shape.Named(attachment, part);
        Assert.NotEmpty(shape.Plan.Territories);
        foreach (Territory territory in shape.Plan.Territories)
        {
            KernelObject stranger = StrangerOf(territory, shape.Plan);
            FakeKernel kernel = shape.Made();
            Assert.Null(kernel.Find(stranger));
            kernel.Put(stranger);
            IReadOnlyList<Difference> differences = kernel.Reconciler.Diff(shape.Plan);
            if (territory.IsReported)
            {
                Difference difference = Assert.Single(differences);
                Assert.Equal((stranger.Subject, "none", stranger.Description), (difference.Subject, difference.Expected, difference.Found));
            }
            else
            {
                Assert.Empty(differences);
            }

            kernel.Reconciler.Converge(shape.Plan);
            Assert.Null(kernel.Find(stranger));
            Assert.Empty(kernel.Reconciler.Diff(shape.Plan));
            Assert.Empty(kernel.Reconciler.Diff(shape.Ground));
        }
    }

    [Fact]
    public void Every_sort_of_territory_is_in_a_plan_or_in_a_repair()
    {
        HashSet<Type> planned = [.. Shape.All.SelectMany(shape => shape.Plan.Territories).Select(t => t.GetType()), typeof(AddressTerritory), typeof(RouteTerritory)];
        IEnumerable<Type> all = typeof(Territory).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Territory)));
        Assert.Equal(all.Select(type => type.Name).Order(), planned.Select(type => type.Name).Order());
    }

    [Fact]
    public void Entries_of_other_containers_stay()
    {
        Attachment first = Shape.Attachments["both limits, a flow, programs"];
        Plan second = Shape.PlanOf(Second(first)).Entries;
        FakeKernel kernel = Shape.Named("both limits, a flow, programs", "entries").Made();
        kernel.Reconciler.Apply(second).OrThrow();
        kernel.Changes.Clear();
        kernel.Reconciler.Converge(Shape.PlanOf(first).Entries);
        kernel.Reconciler.Converge(Shape.HostPlanOf(first));
        Assert.Empty(kernel.Changes);
        Assert.Empty(kernel.Reconciler.Diff(second));
    }

    [Fact]
    public void An_entry_of_another_container_in_the_place_of_one_s_own_is_named()
    {
        Attachment first = Shape.Attachments["bare"];
        FakeKernel kernel = Shape.Named("bare", "entries").Made();
        FilterState own = Shape.PlanOf(first).Entries.Objects.OfType<FilterState>().First(f => f.Target == first.Numbers.HostEnd);
        kernel.Put(own with { Filter = (U32Node)own.Filter with { Action = Mirred.Redirect(first.Numbers.HostEnd + 1) } });
        Assert.Equal(own.Subject, Assert.Single(kernel.Reconciler.Diff(Shape.PlanOf(first).Entries)).Subject);
    }

    [Fact]
    public void Addresses_and_routes_of_a_host_that_has_moved_go_and_those_of_others_stay()
    {
        Shape shape = Shape.Named("bare", "container");
        AddressState own = shape.Plan.Objects.OfType<AddressState>().Single();
        (string device, int index) = (own.Device, own.Address.Index);
        FakeKernel kernel = shape.Made();
        AddressState former = Address(own, "198.51.100.7"), foreign = Address(own, "203.0.113.7");
        kernel.Put(former);
        kernel.Put(foreign);
        Plan moved = shape.Plan with
        {
            Territories =
            [
                .. shape.Plan.Territories, new AddressTerritory(device, index, [former.Address.ToString()]), new RouteTerritory(device, index, ["192.0.2.77"]),
            ],
        };
        Assert.Equal(former.Subject, Assert.Single(kernel.Reconciler.Diff(moved)).Subject);
        kernel.Reconciler.Converge(moved);
        Assert.Null(kernel.Find(former));
        Assert.NotNull(kernel.Find(foreign));
        Change removal = Assert.Single(kernel.Changes, change => change.Object is not RouteState);
        Assert.Equal((ChangeKind.Delete, former.Key), (removal.Kind, removal.Object.Key));
        Assert.Empty(kernel.Reconciler.Diff(moved));
    }

    [Fact]
    public void A_route_that_the_host_has_no_more_goes()
    {
        Shape shape = Shape.Named("no gateway", "container");
        AddressState own = shape.Plan.Objects.OfType<AddressState>().Single();
        RouteState former = new(own.Device, own.Address.Index, InternetAddress.From(IPAddress.Parse("192.0.2.1"))) { Place = Place.Container };
        Plan moved = shape.Plan with { Territories = [.. shape.Plan.Territories, new RouteTerritory(own.Device, own.Address.Index, ["192.0.2.1"])] };
        FakeKernel kernel = shape.Made();
        kernel.Put(former);
        Assert.Equal(former.Subject, Assert.Single(kernel.Reconciler.Diff(moved)).Subject);
        kernel.Reconciler.Converge(moved);
        Assert.Null(kernel.Find(former));
    }

    [Theory]
    [InlineData("tbf", 0x0001_0000u)]
    [InlineData("htb", 0x0007_0000u)]
    public void Somebody_else_s_qdisc_where_there_is_to_be_no_limit_stays(string kind, uint handle)
    {
        Shape shape = Shape.Named("bare", "host end");
        FakeKernel kernel = shape.Made();
        LinkState link = shape.Plan.Gate!.Link;
        kernel.Put(new RootQdiscState(link.Name, link.Index) { Place = Place.Host, Kind = kind, Handle = handle });
        Assert.Empty(kernel.Reconciler.Diff(shape.Plan));
        kernel.Reconciler.Converge(shape.Plan);
        Assert.Empty(kernel.Changes);
    }

    private static Attachment Second(Attachment first) => first with
    {
        Key = first.Key with { ContainerId = "c1" },
        Numbers = new KernelNumbers { HostEnd = 18, ContainerEnd = 2, Slot = 2, Flow = 1022 },
        Ports = new OwnedPorts { Slice = PortRange.Parse("33792-34815"), Claims = [] },
    };

    private static AddressState Address(AddressState one, string address) =>
        one with { Address = one.Address with { Address = InternetAddress.From(IPAddress.Parse(address)) } };

    /// <summary>Something that nobody has planned. Among the shared filters only what leads nowhere is nobody's.</summary>
    private static KernelObject StrangerOf(Territory territory, Plan plan) => territory switch
    {
        FilterTerritory { At: var at } filters => new FilterState(filters.Device, new U32Node(at, new U32Handle(Hooks.Root, 0, FreeNode), [U32Key.Any])
        {
            Action = Mirred.Redirect(filters.IsReported ? Hooks.Loopback : 0),
        })
        { Place = plan.Objects[0].Place },
        HookTerritory hook => new ForeignFilterState(hook.Device, new FilterAttachment(hook.Index, TcHandle.Ingress, 1, EthernetProtocol.All), "matchall")
        {
            Place = Place.Host,
        },
        LimitTerritory limit => new RootQdiscState(limit.Device, limit.Index) { Place = plan.Objects[0].Place },
        _ => throw new InvalidOperationException($"nobody has said what is strange in a {territory.GetType().Name}"),
    };
}
