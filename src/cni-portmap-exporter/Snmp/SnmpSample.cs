namespace CniIsolator.Exporter.Snmp;

/// <summary>The figures of the IPv4 protocols of one container at one moment; counted since its namespace was made.</summary>
internal sealed class SnmpSample
{
    // No kernel counts there.
    private const long Missing = long.MinValue;

    private static readonly int RetransmittedField = SnmpTable.Tcp.First + Array.IndexOf(SnmpTable.Tcp.Fields, "RetransSegs");

    private readonly long[] _values = new long[SnmpTable.Udp.End];

    public SnmpSample() => _values.AsSpan().Fill(Missing);

    /// <summary>TCP segments that were sent again.</summary>
    public long? RetransmittedSegments => this[RetransmittedField];

    /// <summary>A field's value, null where the kernel does not give it; by its place among those of all tables.</summary>
    public long? this[int field] => _values[field] == Missing ? null : _values[field];

    internal void Set(int field, long value) => _values[field] = value;

    internal void Clear(SnmpTable table) => _values.AsSpan(table.First, table.Fields.Length).Fill(Missing);
}
