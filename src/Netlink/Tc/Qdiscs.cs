using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tc;

/// <summary>A qdisc as the kernel shows it.</summary>
public sealed record Qdisc(int Index, string Kind, uint Handle, uint Parent, uint IngressBlock)
{
    /// <summary>Settings of an htb.</summary>
    public HtbSettings? Htb { get; init; }

    /// <summary>Settings of an fq_codel.</summary>
    public FqCodelSettings? FqCodel { get; init; }

    /// <summary>Whether the kernel put it there by itself: those it makes on request have a handle.</summary>
    public bool IsDefault => Handle == 0;

    /// <summary>Whether it is what filters on a device's ingress hang on: clsact, or the older ingress.</summary>
    public bool HoldsIngressFilters => Kind is "clsact" or "ingress";
}

/// <summary>Operations on qdiscs.</summary>
public static class Qdiscs
{
    /// <summary>Equivalent to: <c>tc qdisc add dev INDEX clsact</c>.</summary>
    public static void AddClsact(NetlinkBatch batch, int index, string operation, params ReadOnlySpan<Errno> tolerated)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.NewQdisc, MessageFlags.Create | MessageFlags.Exclusive, operation, tolerated);
        message.Structure(new TcHeader { Index = index, Handle = TcHandle.ClsactHandle, Parent = TcHandle.ClsactParent });
        message.Attribute(TcAttribute.Kind, "clsact");
    }

    /// <summary>Equivalent to: <c>tc qdisc del dev INDEX clsact</c>; its absence, and the device's, are success.</summary>
    public static void DeleteClsact(NetlinkBatch batch, int index, string operation)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.DeleteQdisc, MessageFlags.None, operation, Errno.NoEntry, Errno.NoSuchDevice, Errno.Invalid);
        message.Structure(new TcHeader { Index = index, Handle = TcHandle.ClsactHandle, Parent = TcHandle.ClsactParent });
    }

    /// <summary>
    /// Removes the qdisc at a place if it has this handle; its absence is success, and so is another one in its place.
    /// Equivalent to: <c>tc qdisc del dev INDEX parent PARENT|root handle HANDLE</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The handle is 0, by which the kernel understands any.</exception>
    public static void Delete(NetlinkBatch batch, int index, uint parent, uint handle, string operation)
    {
        ArgumentOutOfRangeException.ThrowIfZero(handle);
        using var message = batch.Message(
            (ushort)RouteMessage.DeleteQdisc, MessageFlags.None, operation, Errno.NoEntry, Errno.NoSuchDevice, Errno.Invalid);
        message.Structure(new TcHeader { Index = index, Handle = handle, Parent = parent });
    }

    /// <summary>
    /// The qdisc at one place, or null where there is none but the kernel's hidden ones, or no such place or device.
    /// Equivalent to: <c>tc qdisc show dev INDEX parent PARENT|root</c>. Read by a dump, as the kernel tells every listener on
    /// the host of an answer to a single question.
    /// </summary>
    public static Qdisc? Find(NetlinkConnection connection, int index, uint parent) =>
        List(connection, index).Find(q => q.Parent == parent);

    /// <summary>Equivalent to: <c>tc qdisc show dev INDEX</c>, or of all devices for index 0.</summary>
    public static List<Qdisc> List(NetlinkConnection connection, int index)
    {
        var qdiscs = new List<Qdisc>();
        TcObject.Dump(connection, RouteMessage.GetQdisc, index, "list qdiscs", found => qdiscs.Add(Parse(found)), qdiscs.Clear);
        return qdiscs;
    }

    private static Qdisc Parse(TcObject found)
    {
        var (header, kind) = (found.Header, found.Kind);
        return new Qdisc(header.Index, kind, header.Handle, header.Parent, found.IngressBlock)
        {
            Htb = kind == "htb" ? Htb.ParseQdisc(new AttributeReader(found.Options)) : null,
            FqCodel = kind == "fq_codel" ? FqCodel.Parse(new AttributeReader(found.Options)) : null,
        };
    }
}
