using System.Diagnostics;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Control;

/// <summary>What a process costs before it does anything: the command VERSION, and an empty C program where there is a compiler.</summary>
internal sealed class StartUp(Topology topology)
{
    private const string Empty = "empty static C program";
    private const string Input = """{"cniVersion":"1.0.0"}""";

    public Dictionary<string, Sample> Measure(int repetitions)
    {
        List<(string Name, string Program)> programs =
        [
            ($"{Contestants.Own} VERSION", CniIsolator.Testbed.Plugin.DefaultBinary),
            ("ptp VERSION", Path.Combine(Contestants.PeerDirectory, "ptp")),
        ];
        if (CompileEmpty() is { } empty)
        {
            programs.Add((Empty, empty));
        }

        Dictionary<string, Sample> samples = programs.ToDictionary(p => p.Name, _ => new Sample());
        topology.Host.Run(() =>
        {
            // The first round only warms the page cache.
            for (int i = -1; i < repetitions; i++)
            {
                foreach ((string name, string program) in programs)
                {
                    double took = Child.Run(program, [], [("CNI_COMMAND", "VERSION"), ("PATH", "/usr/bin:/bin")], Input).Require().Milliseconds;
                    if (i >= 0)
                    {
                        samples[name].Add(took);
                    }
                }
            }
        });
        return samples;
    }

    private string? CompileEmpty()
    {
        string source = Path.Combine(topology.StateDirectory, "empty.c");
        string program = Path.Combine(topology.StateDirectory, "empty");
        File.WriteAllText(source, "int main(void) { return 0; }\n");
        try
        {
            using Process compiler = Process.Start(new ProcessStartInfo("gcc", ["-O2", "-static", "-o", program, source]))!;
            compiler.WaitForExit();
            return compiler.ExitCode == 0 ? program : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
