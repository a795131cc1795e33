using System.Net;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Tc;

/// <summary>A filter of any kind, as far as it tells whose it is and where packets go.</summary>
/// <param name="Kind">"u32", "bpf", "flower", "matchall" and so on.</param>
/// <param name="Priority">The lower, the earlier it sees a packet.</param>
/// <param name="Protocol">The Ethernet protocol.</param>
public sealed record Classifier(string Kind, ushort Priority, EthernetProtocol Protocol)
{
    /// <summary>Of a bpf filter: the program's name, as whoever made the filter wrote it.</summary>
    public string? Program { get; init; }

    /// <summary>Of a bpf filter: the program's number among those that are loaded, 0 where it is not told.</summary>
    public uint ProgramIdentifier { get; init; }

    /// <summary>Of a bpf filter: the kernel's digest of the program's instructions; null where it is not told (before kernel 4.13).</summary>
    public string? ProgramTag { get; init; }

    /// <summary>Of a bpf filter: whether what the program returns is the verdict.</summary>
    public bool IsDirectAction { get; init; }

    /// <summary>Of a filter that redirects or copies: index of the device, 0 where that has gone; null for one that does neither.</summary>
    public int? Target { get; init; }
}

/// <summary>Reads filters of every kind, ours or not.</summary>
public static class Classifiers
{
    /// <summary>
    /// The filters of a hook, those of equal content once; a hook that is not there has none.
    /// Equivalent to: <c>tc filter show dev INDEX parent PARENT</c>.
    /// </summary>
    public static List<Classifier> List(NetlinkConnection connection, int index, uint parent)
    {
        var filters = new List<Classifier>();
        try
        {
            connection.Dump(
                U32Filters.Request(new FilterAttachment(index, parent, 0, 0)),
                received =>
                {
                    // The classifier itself comes first, with handle 0 and nothing of its own.
                    var found = TcObject.Read(received);
                    if (found.Header.Handle != 0)
                    {
                        filters.Add(Parse(found));
                    }
                },
                filters.Clear);
        }
        catch (NetlinkException e) when (e.Errno is Errno.NoSuchDevice or Errno.Invalid or Errno.NoEntry)
        {
            return [];
        }

        return [.. filters.Distinct()];
    }

    private static Classifier Parse(TcObject found)
    {
        var filter = new Classifier(
            found.Kind, (ushort)(found.Header.Info >> 16), (EthernetProtocol)(ushort)IPAddress.NetworkToHostOrder((short)found.Header.Info));
        var actions = ActionsOf(found.Kind);
        foreach (var option in new AttributeReader(found.Options))
        {
            if (option.Type == actions)
            {
                filter = filter with { Target = U32Filters.ParseAction(option)?.Target };
            }
            else if (found.Kind == "bpf" && (BpfAttribute)option.Type == BpfAttribute.Name)
            {
                filter = filter with { Program = option.AsString() };
            }
            else if (found.Kind == "bpf" && (BpfAttribute)option.Type == BpfAttribute.Identifier)
            {
                filter = filter with { ProgramIdentifier = option.As<uint>() };
            }
            else if (found.Kind == "bpf" && (BpfAttribute)option.Type == BpfAttribute.Tag)
            {
                filter = filter with { ProgramTag = Convert.ToHexStringLower(option.Value) };
            }
            else if (found.Kind == "bpf" && (BpfAttribute)option.Type == BpfAttribute.Flags)
            {
                filter = filter with { IsDirectAction = (option.As<uint>() & BpfFilters.DirectAction) != 0 };
            }
        }

        return filter;
    }

    private static int ActionsOf(string kind) => kind switch
    {
        "u32" => (int)U32Attribute.Action,
        "bpf" => (int)BpfAttribute.Action,
        "matchall" => (int)MatchAllAttribute.Action,
        "flower" => (int)FlowerAttribute.Action,
        _ => -1,
    };
}
