using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Tc;

/// <summary>A qdisc, class or filter as a message from the kernel has it: what all three have in common.</summary>
internal readonly ref struct TcObject
{
    private TcObject(TcHeader header, string kind, ReadOnlySpan<byte> options, uint ingressBlock)
    {
        Header = header;
        Kind = kind;
        Options = options;
        IngressBlock = ingressBlock;
    }

    public TcHeader Header { get; }

    public string Kind { get; }

    /// <summary>Attributes whose meaning depends on the kind.</summary>
    public ReadOnlySpan<byte> Options { get; }

    /// <summary>Of a qdisc whose filters several devices share, else 0.</summary>
    public uint IngressBlock { get; }

    public static TcObject Read(ReceivedMessage received)
    {
        var kind = "";
        var block = 0u;
        ReadOnlySpan<byte> options = default;
        foreach (var attribute in received.Attributes<TcHeader>())
        {
            switch ((TcAttribute)attribute.Type)
            {
                case TcAttribute.Kind:
                    kind = attribute.AsString();
                    break;
                case TcAttribute.Options:
                    options = attribute.Value;
                    break;
                case TcAttribute.IngressBlock:
                    block = attribute.As<uint>();
                    break;
            }
        }

        return new TcObject(received.Structure<TcHeader>(), kind, options, block);
    }
}
