using System.Net;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Lifecycle;

/// <summary>What came of a repair.</summary>
/// <param name="Mended">Differences that are no more.</param>
/// <param name="Left">Those that are still there.</param>
/// <param name="Assumed">What could not be known, and was taken for so.</param>
public sealed record RepairResult(IReadOnlyList<Difference> Mended, IReadOnlyList<Difference> Left, IReadOnlyList<string> Assumed)
{
    public static readonly RepairResult Nothing = new([], [], []);
}

/// <summary>
/// Puts back what a running container has in the kernel, and has it follow a host that has another address, MAC, MTU, gateway or interface by
/// now. The intention stands in the record first, so that DEL knows what there may be, and nobody else changes the container meanwhile.
/// All of it may be done again: what was killed on the way is ended by the next one.
/// </summary>
/// <param name="session">The command's session.</param>
/// <param name="repaired">The host, whose shared state is mended already.</param>
/// <param name="check">Compares; the same for all containers, so that the host is read once where nothing has to be mended.</param>
public sealed class AttachmentRepair(Session session, HostRepair repaired, AttachmentCheck check)
{
    /// <exception cref="IsolationException">
    /// There is no such container, or somebody else is at it, or its namespace is gone, or its interface cannot be had again.
    /// </exception>
    /// <exception cref="IOException">The kernel refused.</exception>
    public RepairResult Apply(AttachmentKey key)
    {
        var current = session.Store.Find(key) ?? throw Unknown(key);
        RefuseUnlessRunning(current);
        using var container = RecordedNamespace.TryOpen(current, current.Namespace.Path) ?? throw Gone(current);
        var before = Compare(current, container);
        if (before.Count == 0)
        {
            return RepairResult.Nothing;
        }

        var begun = Begin(key, out var former);
        var target = Target(begun);
        Commit(begun, Mend(begun, target, former, container));
        check.Refresh();
        var left = Compare(session.Store.Find(key) ?? throw Unknown(key), container);
        return new RepairResult([.. before.Except(left)], left, []);
    }

    private IReadOnlyList<Difference> Compare(Attachment attachment, NetworkNamespace container)
    {
        List<Difference> differences = [];
        if (attachment.Change is not null)
        {
            differences.Add(new Difference("state of the record", "no change under way", "a change that has begun and not ended"));
        }

        differences.AddRange(check.CompareOwn(attachment, container, new MasterState(attachment.Host)
        {
            Place = Place.Host, Wanted = repaired.NameOfMaster(attachment.Host), WantedAddress = repaired.ValuesFor(attachment.Host).Address,
        }));
        return differences;
    }

    private Attachment Begin(AttachmentKey key, out IReadOnlyList<HostValues> former)
    {
        using var store = session.Begin();
        var current = store.Find(key) ?? throw Unknown(key);
        RefuseUnlessRunning(current);
        var begun = current with
        {
            // The ports of an update that died stay this container's until its filters are gone.
            Change = new AttachmentChange(current.Change?.Claims ?? current.Ports.Claims, current.Change?.Limits ?? current.Limits)
            {
                Host = repaired.ValuesFor(current.Host),
            },
            Process = ProcessIdentity.Current,
        };
        store.Write(begun);

        // What an earlier repair was about to give the container goes as well.
        former = current.Change?.Host is { } interrupted ? [current.Host, interrupted] : [current.Host];
        return begun;
    }

    /// <returns>Whether packets wait in a plain queue behind a limit.</returns>
    private bool Mend(Attachment begun, Attachment target, IReadOnlyList<HostValues> former, NetworkNamespace container)
    {
        using var programs = HostEndPrograms.LoadFor(target.Features.FinishesChecksums, session.Store.FindHost()?.PacketLayout);
        var plan = AttachmentPlan.Of(target, programs.Tags);
        if (Links.Find(session.Host, target.HostInterface) is null)
        {
            // Its deletion took both ends.
            Inside(container, kernel => kernel.Converge(plan.Container.Only(o => o is VethState or SysctlState)));

            // A new link has the host's defaults, and those of them that do no harm are no differences later.
            new Reconciler(session.Kernel()).Apply(plan.HostEnd.Only(o => o is SysctlState)).OrThrow();
        }

        using var shared = session.HoldSharedState();
        var missing = repaired.IsMasterGone ? target.Host.MasterIndex : 0;
        var host = new Reconciler(session.Kernel(programs));
        var hostEnd = host.Converge(Tolerating(plan.HostEnd, missing));
        var inside = Inside(container, kernel => kernel.Converge(WithFormer(plan.Container, target, former)));
        LeaveOtherMasters(begun, target, former);
        host.Converge(missing == 0 ? plan.Entries : plan.Entries.Without(missing));
        return hostEnd.LacksQueue || inside.LacksQueue;
    }

    private Outcome Inside(NetworkNamespace container, Func<Reconciler, Outcome> work) =>
        NamespaceKernel.Within(container, kernel => work(new Reconciler(kernel)), session.Namespace.Descriptor);

    /// <summary>What led to a master that is gone drops, and is of no harm; none can be made anew.</summary>
    private static Plan Tolerating(Plan plan, int missing) => missing == 0 ? plan : plan.Without(missing) with
    {
        Territories = [.. plan.Territories.Select(t => t is FilterTerritory filters ? filters with { Strange = f => f.Target != 0 } : t)],
    };

    /// <summary>Addresses and routes that it has from a host that has moved go; those of others stay.</summary>
    private static Plan WithFormer(Plan plan, Attachment target, IReadOnlyList<HostValues> former)
    {
        var (device, index) = (target.Key.IfName, target.Numbers.ContainerEnd);
        List<string> addresses = [.. former.Select(Text).Where(a => a != Text(target.Host))];
        List<string> gateways = [.. former.Select(f => f.Gateway).OfType<IPAddress>().Where(g => !g.Equals(target.Host.Gateway)).Select(g => g.ToString())];
        return plan with
        {
            Territories = [.. plan.Territories, new AddressTerritory(device, index, addresses), new RouteTerritory(device, index, gateways)],
        };

        static string Text(HostValues values) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{values.Address}/{values.PrefixLength}");
    }

    /// <summary>A master that got another name lives on with our entries.</summary>
    private void LeaveOtherMasters(Attachment begun, Attachment target, IReadOnlyList<HostValues> former)
    {
        var path = AttachmentPath.Of(begun);
        List<Plan> left =
        [
            .. former.Select(f => f.MasterIndex).Where(index => index != target.Host.MasterIndex).Distinct()
                .Select(index => AttachmentPlan.Of(begun, path with { Master = index }).Entries.Only(o => o is FilterState f && f.Filter.At.Index == index)),
        ];
        if (left.Count > 0)
        {
            SharedEntries.Remove(session.Kernel(), left);
        }
    }

    private void Commit(Attachment begun, bool plainQueue)
    {
        using var store = session.Begin();
        if (store.Find(begun.Key) is not { State: AttachmentState.Ready, Change: not null } current)
        {
            throw new IsolationException(IsolationFault.TryAgainLater, $"{begun.Key} was taken down meanwhile");
        }

        store.Write(Target(begun) with { Features = current.Features with { PlainQueue = current.Features.PlainQueue || plainQueue } });
    }

    private static Attachment Target(Attachment begun) => begun with { Host = begun.Change!.Host!, Change = null };

    private void RefuseUnlessRunning(Attachment current)
    {
        if (!session.IsOnThisHost(current) || !session.Conditions.HasNamespace(current))
        {
            throw Gone(current);
        }

        if (current.State != AttachmentState.Ready)
        {
            throw new IsolationException(IsolationFault.TryAgainLater, $"{current.Key} is {current.State.ToString().ToLowerInvariant()}");
        }

        if (Conditions.IsBeingChanged(current))
        {
            throw new IsolationException(IsolationFault.TryAgainLater, $"{current.Key} is being changed by process {current.Process.Pid}");
        }
    }

    private static IsolationException Unknown(AttachmentKey key) => new(IsolationFault.UnknownContainer, $"{key} is not attached");

    private static IsolationException Gone(Attachment current) => new(
        IsolationFault.NamespaceMissing,
        $"the namespace of {current.Key} is gone: there is nothing to repair",
        current.Rebuilt
            ? "its record was rebuilt from the kernel, which does not tell where the namespace is; DEL removes it"
            : $"\"{current.Namespace.Path}\" is not there, or another namespace is in its place; `cni-portmap-isolate gc` clears the record away");
}
