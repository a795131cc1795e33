using System.Collections;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.DataPath;

/// <summary>Filters of one place in the order in which they must be made: what a link names comes before the link.</summary>
public sealed class FilterList(FilterAttachment at) : IEnumerable<U32Filter>
{
    private readonly List<U32Filter> _filters = [];

    public void Table(int table, int divisor) => _filters.Add(new U32Table(at, new U32Handle(table, 0, 0), divisor));

    public void Link(int table, int bucket, int node, U32Link link, params U32Key[] keys) =>
        _filters.Add(new U32Node(at, new U32Handle(table, bucket, node), keys) { Link = link });

    public void Act(int table, int bucket, int node, Mirred action, params U32Key[] keys) =>
        _filters.Add(new U32Node(at, new U32Handle(table, bucket, node), keys) { Action = action });

    /// <summary>Ends classification here: the packet goes up this device's own stack.</summary>
    public void Accept(int table, int bucket, int node, params U32Key[] keys) =>
        _filters.Add(new U32Node(at, new U32Handle(table, bucket, node), keys));

    /// <summary>Puts the packet into a class, or a queue of an fq_codel.</summary>
    public void Classify(int table, int bucket, int node, uint id, params U32Key[] keys) =>
        _filters.Add(new U32Node(at, new U32Handle(table, bucket, node), keys) { Class = id });

    public IEnumerator<U32Filter> GetEnumerator() => _filters.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
