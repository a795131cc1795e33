using System.CommandLine;
using System.Diagnostics;
using System.Runtime.InteropServices;
using CniIsolator.Run;
using CniIsolator.Testbed;

// make test: every test project of the solution, side by side.
var only = new Option<string[]>("--only") { Description = "Only projects whose names have this in them; may be repeated" };
var filter = new Option<string?>("--filter") { Description = "Only tests that an expression of vstest selects: FullyQualifiedName~KillTests" };
var slots = new Option<int>("--slots") { Description = "How many projects at a time", DefaultValueFactory = _ => Plan.Slots };
var silence = new Option<double>("--silence") { Description = "Minutes without progress that end a project", DefaultValueFactory = _ => 8 };
var minutes = new Option<double>("--minutes") { Description = "How long", DefaultValueFactory = _ => 60 };
var command = new RootCommand("Runs the tests, and ends with one line that sums them up.") { only, filter, slots, silence };
command.SetAction(result =>
{
    string[] names = result.GetValue(only) ?? [];
    List<TestProject> projects = [.. TestProject.Find(Repository.Root)
        .Where(one => names.Length == 0 || names.Any(name => one.Name.Contains(name, StringComparison.OrdinalIgnoreCase)))];
    if (projects.Count == 0)
    {
        Console.Error.WriteLine("no such test project");
        return 2;
    }

    Durations durations = new(Path.Combine(Repository.Root, "artifacts", "test-durations.json"));
    return Run((results, tell, cancelled) => new Campaign(Repository.Root, results, durations, tell)
    {
        Slots = result.GetValue(slots),
        MostSilence = TimeSpan.FromMinutes(result.GetValue(silence)),
        Filter = result.GetValue(filter),
    }.Run(projects, cancelled));
});
var soak = new Command("soak", "Every cell of the crash grids, stress, races and fuzzing, again and again for a time") { minutes };
soak.SetAction(result => Run((results, tell, cancelled) =>
    new Soak(Repository.Root, results, tell).Run(TimeSpan.FromMinutes(result.GetValue(minutes)), cancelled)));
command.Add(soak);
return command.Parse(args).Invoke();

static int Run(Func<string, Action<string>, CancellationToken, List<ProjectOutcome>> run)
{
    string results = Path.Combine(Repository.Root, "artifacts", "test-results");
    if (Directory.Exists(results))
    {
        Directory.Delete(results, recursive: true);
    }

    Directory.CreateDirectory(results);
    using CancellationTokenSource cancel = new();
    using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
    using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
    Stopwatch watch = Stopwatch.StartNew();
    try
    {
        List<ProjectOutcome> outcomes = run(results, line => Console.WriteLine($"{Clock(watch)} {line}"), cancel.Token);
        foreach (string line in Summary.Lines(outcomes))
        {
            Console.WriteLine(line);
        }

        return Summary.Succeeded(outcomes) ? 0 : 1;
    }
    catch (OperationCanceledException)
    {
        Console.Error.WriteLine("interrupted");
        return 130;
    }

    void Cancel(PosixSignalContext context)
    {
        context.Cancel = true;
        cancel.Cancel();
    }
}

static string Clock(Stopwatch watch) => $"{(int)watch.Elapsed.TotalMinutes:00}:{watch.Elapsed.Seconds:00}";
