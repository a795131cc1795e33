namespace CniIsolator.Bench.Traffic;

/// <summary>What one scene gave in one round.</summary>
/// <param name="Gigabits">TCP throughput in Gbit/s.</param>
/// <param name="Apart">Median UDP round trip in microseconds, client and server on a processor each.</param>
/// <param name="Together">The same with both on one processor.</param>
/// <param name="TogetherMean">Mean instead of median.</param>
internal sealed record Measurement(double Gigabits, double Apart, double Together, double TogetherMean);

/// <summary>All rounds of one scene, in the order of the rounds.</summary>
internal sealed record SceneSamples(string Name, List<Measurement> Rounds);

/// <summary>What was measured on the data path; the first scene is host networking.</summary>
internal sealed record DataResult(IReadOnlyList<SceneSamples> Scenes)
{
    public SceneSamples Host => Scenes[0];

    /// <summary>Median over the rounds of how one scene did beside another in the same round.</summary>
    public static double Ratio(SceneSamples scene, SceneSamples other, Func<Measurement, double> value) =>
        Sample.Median(scene.Rounds.Zip(other.Rounds, (a, b) => value(a) / value(b)));
}

/// <summary>Measures traffic into each scene, in turns, so that whatever else the machine does hits all of them.</summary>
internal static class DataBench
{
    private const int Attempts = 3;

    public static DataResult Run(Options options)
    {
        List<Scene> scenes = [];
        try
        {
            scenes.Add(Scene.HostNetworking());
            scenes.Add(Scene.Own(1));
            scenes.Add(Scene.Own(options.FullHost));
            scenes.Add(Scene.Mesos(1));
            scenes.Add(Scene.Mesos(options.FullHost));
            scenes.Add(Scene.Bridge(1));
            scenes.Add(Scene.Bridge(options.FullBridge));
            List<SceneSamples> samples = [.. scenes.Select(s => new SceneSamples(s.Name, []))];
            Progress.Say($"{options.Rounds} rounds of traffic");

            // The first round is warm-up.
            for (int round = -1; round < options.Rounds; round++)
            {
                for (int turn = 0; turn < scenes.Count; turn++)
                {
                    int which = (round + 1 + turn) % scenes.Count;
                    Measurement measured = Measure(scenes[which], options.Quick);
                    if (round >= 0)
                    {
                        samples[which].Rounds.Add(measured);
                    }
                }

                Progress.Say($"  round {round + 1}/{options.Rounds}");
            }

            return new DataResult(samples);
        }
        finally
        {
            foreach (Scene scene in scenes)
            {
                scene.Dispose();
            }
        }
    }

    private static Measurement Measure(Scene scene, bool quick)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                double gigabits = Flows.Throughput(scene, TimeSpan.FromMilliseconds(quick ? 250 : 600));
                Sample apart = Flows.RoundTrips(scene, quick ? 2000 : 6000, together: false);
                Sample together = Flows.RoundTrips(scene, quick ? 2000 : 10000, together: true);
                return new Measurement(gigabits, apart.P50, together.P50, together.Mean);
            }
            catch (System.Net.Sockets.SocketException e) when (attempt < Attempts)
            {
                // A datagram may be lost on a busy machine, and then both sides wait in vain.
                Progress.Say($"  {scene.Name}: {e.Message}; once more");
            }
        }
    }
}
