using System.CommandLine;
using CniIsolator.Fuzz;
using CniIsolator.Testbed;

// make fuzz: a long run from a seed of its own, or an input of an earlier one again.
var seed = new Option<int>("--seed") { Description = "Makes the same inputs again", DefaultValueFactory = _ => Random.Shared.Next() };
var minutes = new Option<double>("--minutes") { Description = "How long", DefaultValueFactory = _ => 10 };
var inputs = new Option<long>("--inputs") { Description = "At most so many inputs", DefaultValueFactory = _ => long.MaxValue };
var only = new Option<string[]>("--target") { Description = $"One of {string.Join(", ", Targets.All.Select(t => t.Name))}; may be repeated; all but the last if not given" };
var number = new Option<long?>("--number") { Description = "Only the input with this number of the seed" };
var file = new Option<FileInfo?>("--file") { Description = "Only this input, with --target" };
var command = new RootCommand("Feeds mutated input to everything of the plugin that reads any.") { seed, minutes, inputs, only, number, file };
command.SetAction(result =>
{
    var names = result.GetValue(only) ?? [];
    List<Target> targets = [.. names.Length == 0 ? Targets.Readers : Targets.All.Where(t => names.Contains(t.Name))];
    if (targets.Count == 0 || names.Any(n => !targets.Exists(t => t.Name == n)))
    {
        Console.Error.WriteLine($"--target: no such target; there are {string.Join(", ", Targets.All.Select(t => t.Name))}");
        return 2;
    }

    if (result.GetValue(file) is { } input)
    {
        targets.ForEach(t => t.Try(File.ReadAllBytes(input.FullName), new Random(result.GetValue(seed))));
        return 0;
    }

    var campaign = new Campaign(result.GetValue(seed), targets);
    var again = $"--seed {result.GetValue(seed)}{string.Concat(names.Select(n => $" --target {n}"))}";
    Console.WriteLine($"fuzzing {string.Join(", ", targets.Select(t => t.Name))}; the same again: {again}");
    if (result.GetValue(number) is { } one)
    {
        campaign.TryNumber(one);
    }
    else
    {
        using var time = new CancellationTokenSource(TimeSpan.FromMinutes(result.GetValue(minutes)));
        using var progress = new Timer(_ => Console.WriteLine($"{campaign.Tried} inputs"), null, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));
        campaign.Run(result.GetValue(inputs), time.Token);
    }

    Console.WriteLine($"{campaign.Tried} inputs, the dearest took {campaign.Dearest}");
    var folder = Directory.CreateDirectory(Path.Combine(Repository.Root, "artifacts", "fuzz"));
    foreach (var finding in campaign.Findings)
    {
        var path = Path.Combine(folder.FullName, $"{finding.Target.Name}-{result.GetValue(seed)}-{finding.Number}");
        File.WriteAllBytes(path, finding.Input);
        Console.WriteLine($"\n{finding.Target.Name}: {finding.What}\nagain: {again} --number {finding.Number}\ninput: {path}");
    }

    return campaign.Findings.Count > 0 ? 1 : 0;
});
return command.Parse(args).Invoke();
