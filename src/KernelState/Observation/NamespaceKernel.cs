using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.KernelState.Observation;

/// <summary>
/// The kernel of the namespace that a connection leads into. Sysctls are those of the calling thread, which has to be inside. What was read once is not
/// read again until something is changed through this object.
/// </summary>
/// <param name="connection">The way into the namespace.</param>
/// <param name="place">Which of the two it is.</param>
/// <param name="hostNamespace">Descriptor of the host's namespace, for making a veth; -1 where none is made.</param>
/// <param name="programs">The loaded programs; null where no filter with one is made.</param>
public sealed class NamespaceKernel(NetlinkConnection connection, Place place, int hostNamespace = -1, HostEndPrograms? programs = null) : IKernel
{
    private NamespaceDumps _dumps = new(connection, place);

    /// <summary>Works on a container's kernel, from a thread inside it.</summary>
    /// <param name="container">Its namespace.</param>
    /// <param name="work">What to do there.</param>
    /// <param name="hostNamespace">Descriptor of the host's namespace, for making a veth; -1 where none is made.</param>
    public static T Within<T>(NetworkNamespace container, Func<NamespaceKernel, T> work, int hostNamespace = -1) => container.Run(() =>
    {
        using var connection = NetlinkConnection.Open();
        return work(new NamespaceKernel(connection, Place.Container, hostNamespace));
    });

    public KernelObject? Find(KernelObject planned) => _dumps.Find(planned);

    public IReadOnlyList<KernelObject> List(Territory territory) => _dumps.List(territory);

    /// <summary>A link as the kernel shows it, or null.</summary>
    /// <exception cref="IOException">The kernel does not say.</exception>
    public Link? FindLink(string name) => _dumps.FindLink(name);

    /// <summary>Reads all links and qdiscs at once, for whoever looks at many attachments.</summary>
    public void ReadWhole() => _dumps.ReadWhole();

    public Outcome Apply(IReadOnlyList<Change> changes)
    {
        List<Refusal> refusals = [];
        List<KernelObject> lacking = [];
        var position = 0;
        while (position < changes.Count && refusals.Count == 0)
        {
            position = changes[position].Object.IsMessage ? Send(changes, position, refusals, lacking) : Write(changes, position);
        }

        _dumps = new NamespaceDumps(connection, place);
        return new Outcome(refusals, lacking);
    }

    private int Write(IReadOnlyList<Change> changes, int position)
    {
        Step(changes[position], new ChangeContext(new NetlinkBatch(256), hostNamespace, programs));
        return position + 1;
    }

    /// <summary>Sends the messages from one position on, up to the next step that is none.</summary>
    private int Send(IReadOnlyList<Change> changes, int position, List<Refusal> refusals, List<KernelObject> lacking)
    {
        var context = new ChangeContext(new NetlinkBatch(), hostNamespace, programs);
        List<Change> senders = [];
        for (; position < changes.Count && changes[position].Object.IsMessage; position++)
        {
            Step(changes[position], context);
            while (senders.Count < context.Batch.Count)
            {
                senders.Add(changes[position]);
            }
        }

        foreach (var failure in connection.Execute(context.Batch))
        {
            var change = senders[failure.Index];
            if (change is { Kind: ChangeKind.Create or ChangeKind.Change, Object.IsOptional: true } && failure.Errno == Errno.NoEntry)
            {
                lacking.Add(change.Object);
            }
            else
            {
                refusals.Add(new Refusal(change, failure.Errno, failure.ToException()));
            }
        }

        return position;
    }

    private static void Step(Change change, ChangeContext context)
    {
        switch (change.Kind)
        {
            case ChangeKind.Create:
                change.Object.Create(context);
                break;
            case ChangeKind.Change:
                change.Object.Change(context);
                break;
            case ChangeKind.Delete:
                change.Object.Delete(context);
                break;
            default:
                ((LinkState)change.Object).Close(context);
                break;
        }
    }
}
