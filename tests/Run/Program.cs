using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using CniIsolator.Run;
using CniIsolator.Testbed;

// make test: every test project of the solution, side by side.
var only = new Option<string[]>("--only") { Description = "A project whose name has this in it; may be repeated", AllowMultipleArgumentsPerToken = true };
var filter = new Option<string?>("--filter") { Description = "Only tests that this expression of vstest selects, such as FullyQualifiedName~KillTests" };
var slots = new Option<int>("--slots") { Description = "How many projects at a time", DefaultValueFactory = _ => Plan.Slots };
var silence = new Option<double>("--silence") { Description = "Minutes without any progress after which a project is ended", DefaultValueFactory = _ => 8 };
var command = new RootCommand("Runs the tests, and ends with one line that sums them up.") { only, filter, slots, silence };
command.SetAction(result =>
{
    string root = Repository.Root;
    string results = Path.Combine(root, "artifacts", "test-results");
    if (Directory.Exists(results))
    {
        Directory.Delete(results, recursive: true);
    }

    Directory.CreateDirectory(results);
    string[] names = result.GetValue(only) ?? [];
    List<TestProject> projects = [.. TestProject.Find(root).Where(one => names.Length == 0 || names.Any(name => one.Name.Contains(name, StringComparison.OrdinalIgnoreCase)))];
    if (projects.Count == 0)
    {
        Console.Error.WriteLine("no such test project");
        return 2;
    }

    using CancellationTokenSource cancel = new();
    using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
    using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
    Stopwatch watch = Stopwatch.StartNew();
    Campaign campaign = new(root, results, new Durations(Path.Combine(root, "artifacts", "test-durations.json")), line => Console.WriteLine($"{Clock(watch)} {line}"))
    {
        Slots = result.GetValue(slots),
        MostSilence = TimeSpan.FromMinutes(result.GetValue(silence)),
        Filter = result.GetValue(filter),
    };
    try
    {
        List<ProjectOutcome> outcomes = campaign.Run(projects, cancel.Token);
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
});
return command.Parse(args).Invoke();

static string Clock(Stopwatch watch) => watch.Elapsed.ToString(@"mm\:ss", CultureInfo.InvariantCulture);
