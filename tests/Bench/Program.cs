using CniIsolator.Bench;
using CniIsolator.Bench.Control;
using CniIsolator.Bench.Exporter;
using CniIsolator.Bench.Shaping;
using CniIsolator.Bench.Traffic;

if (Guest.IsInside(args))
{
    return 0;
}

if (args is ["--readme"])
{
    Console.WriteLine($"README.md and docs/measured now have {string.Join(", ", Readme.Update())}");
    return 0;
}

if (Options.Parse(args) is not { } options)
{
    Console.Error.WriteLine(Options.Usage);
    return 2;
}

try
{
    Report report = new();
    if (options.Control)
    {
        report.Add(ControlBench.Run(options));
    }

    if (options.Data)
    {
        report.Add(DataBench.Run(options));
    }

    if (options.Shaping)
    {
        report.Add(ShapingBench.Run(options));
    }

    if (options.Exporter)
    {
        report.Add(ExporterBench.Run(options));
    }

    report.Finish();
    Console.Write(report.Markdown);
    Progress.Say($"written to {report.Save()}");
    return 0;
}
catch (Exception e)
{
    // Nothing that is to be undone would be, were it caught by nobody.
    Console.Error.WriteLine(e);
    return 1;
}
