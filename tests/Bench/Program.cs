using CniIsolator.Bench;
using CniIsolator.Bench.Control;
using CniIsolator.Bench.Traffic;

if (Options.Parse(args) is not { } options)
{
    Console.Error.WriteLine(Options.Usage);
    return 2;
}

if (options.Control)
{
    ControlResult r = ControlBench.Run(options);
    foreach (var (n, s) in r.StartUp) { Console.WriteLine($"{n}: {s.P50:0.00} {s.P90:0.00} {s.P99:0.00}"); }
    foreach (var s in r.Contestants) { Console.WriteLine($"{s.Name}: ADD {s.Add.P50:0.00} {s.Add.P90:0.00} {s.Add.P99:0.00} DEL {s.Delete.P50:0.00} {s.Delete.P90:0.00} {s.Delete.P99:0.00}"); }
    Console.WriteLine($"DELLINK {r.DeleteLink.P50:0.00}");
    Console.WriteLine($"first {Sample.Median(r.Many.Add.Values.Take(10)):0.00} last {Sample.Median(r.Many.Add.Values.TakeLast(10)):0.00}, DEL {Sample.Median(r.Many.Delete.Values.Take(10)):0.00} last {Sample.Median(r.Many.Delete.Values.TakeLast(10)):0.00}");
}

if (options.Data)
{
    DataResult d = DataBench.Run(options);
    foreach (SceneSamples s in d.Scenes)
    {
        Console.WriteLine($"{s.Name}: {Sample.Median(s.Rounds.Select(r => r.Gigabits)):0.00} Gbit/s ({DataResult.Ratio(s, d.Host, r => r.Gigabits):0.000}), apart {Sample.Median(s.Rounds.Select(r => r.Apart)):0.0} ({1 / DataResult.Ratio(s, d.Host, r => r.Apart):0.000}), together {Sample.Median(s.Rounds.Select(r => r.Together)):0.0} ({1 / DataResult.Ratio(s, d.Host, r => r.Together):0.000})");
    }
}

return 0;
