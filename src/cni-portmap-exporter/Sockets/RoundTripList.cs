using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Sockets;

/// <summary>Round-trip times of connections, of one container after the other.</summary>
internal sealed class RoundTripList
{
    // Room for more is not kept: one container in a storm must not cost memory for ever.
    private const int KeptRoom = 4096;

    private int[] _values = new int[256];
    private int _count;

    public void Clear()
    {
        _count = 0;
        if (_values.Length > KeptRoom)
        {
            _values = new int[KeptRoom];
        }
    }

    /// <summary>Adds a connection; 0 is one of which nothing was measured, and does not count.</summary>
    public void Add(uint microseconds)
    {
        if (microseconds == 0)
        {
            return;
        }

        if (_count == _values.Length)
        {
            Array.Resize(ref _values, _count * 2);
        }

        _values[_count++] = (int)Math.Min(microseconds, int.MaxValue);
    }

    /// <summary>The percentiles, each the value of a connection, chosen as a Mesos agent does; null where none counts.</summary>
    public RoundTrips? Percentiles()
    {
        if (_count == 0)
        {
            return null;
        }

        Array.Sort(_values, 0, _count);
        return new RoundTrips(At(50), At(90), At(95), At(99));
    }

    private double At(int percent) => _values[(int)((long)_count * percent / 100)];
}
