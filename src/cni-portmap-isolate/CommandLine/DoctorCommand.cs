using System.CommandLine;
using CniIsolator.Cni;
using CniIsolator.Plugin.Configuration;
using CniIsolator.Plugin.Diagnosis;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>"doctor": looks at kernel, configuration, store and containers, and says what to change. A fault makes exit code 1.</summary>
internal static class DoctorCommand
{
    public static Command Build(Option<string> stateDir, Func<Func<int>, int> run)
    {
        var config = new Option<string>("--config") { Description = "A network configuration to check against this host, .conflist or .conf", HelpName = "FILE" };
        var doctor = new Command("doctor", "Check the host, and say what to change; exit code 1 on a fault") { config, stateDir };
        doctor.SetAction(result => run(() =>
        {
            var findings = new FindingList();
            var configuration = result.GetValue(config) is { } file ? ReadConfiguration(findings, file) : null;

            // The configuration says where its store lies, unless the operator does.
            var given = result.GetResult(stateDir) is { Implicit: false };
            Examination.Run(findings, configuration, given || configuration is null ? result.GetValue(stateDir)! : configuration.StateDir);
            Print(Console.Out, findings);
            return findings.Faults == 0 ? 0 : 1;
        }));
        return doctor;
    }

    private static NetworkConfiguration? ReadConfiguration(FindingList findings, string file)
    {
        try
        {
            var configuration = NetworkConfiguration.From(ConfigurationFile.Read(file), CniArgs.Empty);
            findings.Good("configuration", $"{file} is valid");
            return configuration;
        }
        catch (Exception e) when (e is CniException or IOException or UnauthorizedAccessException)
        {
            findings.Fault("configuration", e.Message, (e as CniException)?.Details ?? $"correct {file}");
            return null;
        }
    }

    private static void Print(TextWriter output, FindingList findings)
    {
        foreach (var finding in findings.All)
        {
            var word = finding.Severity switch
            {
                Severity.Good => "ok",
                Severity.Warning => "warning",
                _ => "FAULT",
            };
            output.WriteLine($"{word,-9}{finding.Subject}: {finding.Text}");
            foreach (var remedy in finding.Remedies)
            {
                output.WriteLine($"         -> {remedy}");
            }
        }
    }
}
