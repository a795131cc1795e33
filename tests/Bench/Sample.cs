namespace CniIsolator.Bench;

/// <summary>Measured values of one thing.</summary>
internal sealed class Sample
{
    private readonly List<double> _values = [];

    public Sample()
    {
    }

    public Sample(IEnumerable<double> values) => _values.AddRange(values);

    public int Count => _values.Count;

    public double P50 => Percentile(50);

    public double P90 => Percentile(90);

    public double P99 => Percentile(99);

    public double Mean => _values.Average();

    public IReadOnlyList<double> Values => _values;

    public void Add(double value) => _values.Add(value);

    /// <summary>The value that so many percent of all do not exceed, interpolated between neighbours.</summary>
    public double Percentile(double percent) => Percentile([.. _values.Order()], percent);

    public static double Median(IEnumerable<double> values) => Percentile([.. values.Order()], 50);

    private static double Percentile(double[] sorted, double percent)
    {
        if (sorted.Length == 0)
        {
            return double.NaN;
        }

        double place = percent / 100 * (sorted.Length - 1);
        int below = (int)place;
        double above = sorted[Math.Min(below + 1, sorted.Length - 1)];
        return sorted[below] + ((place - below) * (above - sorted[below]));
    }
}
