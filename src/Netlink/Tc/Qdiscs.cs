using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tc;

/// <summary>A qdisc as the kernel shows it.</summary>
public sealed record Qdisc(int Index, string Kind, uint Handle, uint Parent, uint IngressBlock)
{
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

    /// <summary>Equivalent to: <c>tc qdisc show dev INDEX</c>, or of all devices for index 0.</summary>
    public static List<Qdisc> List(NetlinkConnection connection, int index)
    {
        var request = new NetlinkBatch(256);
        using (var message = request.Message((ushort)RouteMessage.GetQdisc, MessageFlags.Dump, "list qdiscs"))
        {
            message.Structure(new TcHeader { Index = index });
        }

        var qdiscs = new List<Qdisc>();
        connection.Dump(
            request,
            received =>
            {
                var header = received.Structure<TcHeader>();
                if (index != 0 && header.Index != index)
                {
                    return; // The kernel's qdisc dump covers every device.
                }

                var kind = "";
                var block = 0u;
                foreach (var attribute in received.Attributes<TcHeader>())
                {
                    switch ((TcAttribute)attribute.Type)
                    {
                        case TcAttribute.Kind:
                            kind = attribute.AsString();
                            break;
                        case TcAttribute.IngressBlock:
                            block = attribute.As<uint>();
                            break;
                    }
                }

                qdiscs.Add(new Qdisc(header.Index, kind, header.Handle, header.Parent, block));
            },
            qdiscs.Clear);
        return qdiscs;
    }
}
