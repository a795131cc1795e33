using System.CommandLine;
using CniIsolator.Ipam;
using CniIsolator.Lifecycle;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>"gc": gives back what containers held that are gone, of all networks, and says what that was.</summary>
internal static class GarbageCommand
{
    public static Command Build(Option<string> stateDir, Func<Func<int>, int> run)
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "Say what would be reaped, and change nothing" };
        var collect = new Command("gc", "Reap attachments whose container is gone, and what no record knows; exit code 1 if something could not be removed") { dryRun, stateDir };
        collect.SetAction(result => run(() => Run(result.GetValue(stateDir)!, result.GetValue(dryRun))));
        return collect;
    }

    private static int Run(string stateDir, bool dryRun)
    {
        if (!Directory.Exists(stateDir))
        {
            Console.Out.WriteLine($"nothing to reap: there is no {stateDir}");
            return 0;
        }

        var faults = 0;
        using var session = new Session(stateDir);
        var gone = session.Store.ReadAll().Attachments.Where(session.Conditions.IsGone).ToList();
        if (dryRun)
        {
            gone.ForEach(a => Console.Out.WriteLine($"would reap {Describe(a)}"));
        }
        else
        {
            foreach (var (attachment, fault) in new Collector(session).Collect(gone))
            {
                if (fault is null)
                {
                    Console.Out.WriteLine($"reaped {Describe(attachment)}");
                }
                else
                {
                    Complain($"{attachment.Key} could not be reaped: {fault.Message}");
                }
            }
        }

        new Orphans(session, dryRun, line => Console.Out.WriteLine($"{(dryRun ? "would remove" : "removed")} {line}"), Complain).Sweep();
        if (!dryRun)
        {
            // Orphans may have been the last that used it.
            session.RemoveSharedStateIfUnused();
        }

        foreach (var fault in session.Spent.Faults)
        {
            // No fault of this command: what the file stands for is gone.
            Console.Error.WriteLine($"cni-portmap-isolate: left a file that stands for nothing any more: {fault}");
        }

        return faults == 0 ? 0 : 1;

        void Complain(string line)
        {
            faults++;
            Console.Error.WriteLine($"cni-portmap-isolate: {line}");
        }
    }

    private static string Describe(Attachment attachment) =>
        $"{attachment.Key} with ports {attachment.Ports.Slice} {string.Join(' ', attachment.OwnedClaims)}".TrimEnd();
}
