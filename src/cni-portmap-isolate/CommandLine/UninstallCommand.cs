using System.CommandLine;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Lifecycle;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>"uninstall": takes away whatever the plugin made on the host, and says what that was.</summary>
internal static class UninstallCommand
{
    public static Command Build(Option<string> stateDir, Func<Func<int>, int> run)
    {
        var force = new Option<bool>("--force") { Description = "Detach containers that live; they lose their network" };
        var uninstall = new Command("uninstall", "Remove every filter, qdisc and file that the plugin made on the host; the log stays") { force, stateDir };
        uninstall.SetAction(result => run(() => Run(result.GetValue(stateDir)!, result.GetValue(force))));
        return uninstall;
    }

    private static int Run(string stateDir, bool force)
    {
        if (!Directory.Exists(stateDir))
        {
            Console.Out.WriteLine($"nothing to remove: there is no {stateDir}");
            return 0;
        }

        using var session = new Session(stateDir);
        var content = session.Store.ReadAll();
        var live = content.Attachments.Where(a => session.Conditions.IsAlive(a)).ToList();
        if (live.Count > 0 && !force)
        {
            throw new CniException(
                CniErrorCode.TryAgainLater,
                $"{live.Count} {(live.Count == 1 ? "container lives" : "containers live")}: nothing was removed",
                $"{string.Join(", ", live.Select(a => a.Key))}; DEL them first, or use --force");
        }

        // Read before: with the last attachment it goes.
        List<string> shared = content.Host is { } note ? [.. Describe(session, note)] : [];
        var faults = new List<string>();

        // Not even by force: the other process would go on with what is taken away. It keeps the host's note, and that ends in an error.
        foreach (var (attachment, fault) in new Collector(session).Collect([.. content.Attachments.Where(a => !session.Conditions.IsBusy(a))]))
        {
            if (fault is null)
            {
                var ports = $"{attachment.Ports.Slice} {string.Join(' ', attachment.Ports.Claims)}".TrimEnd();
                Console.Out.WriteLine($"removed {attachment.Key} with ports {ports}");
            }
            else
            {
                faults.Add($"{attachment.Key}: {fault.Message}");
            }
        }

        if (faults.Count > 0)
        {
            throw new CniException(CniErrorCode.Internal, "some attachments could not be removed", string.Join("; ", faults));
        }

        session.RemoveSharedStateIfUnused();
        using var store = session.Begin();
        if (store.Host is not null && !session.Spent.HasHost)
        {
            throw new CniException(
                CniErrorCode.TryAgainLater, "what the containers share could not be removed", "a container is just being added, changed or taken down, or a record is unreadable while its interface lives");
        }

        shared.ForEach(line => Console.Out.WriteLine($"removed {line}"));
        session.Spent.Add(session.RemoveHostLock());
        List<string> left = [.. session.Spent.Faults.Union(store.TryEraseStore().Select(fault => fault.Message))];
        if (left.Count > 0)
        {
            // They stand for nothing any more, and the operator may remove them once the file system lets that happen.
            left.ForEach(fault => Console.Out.WriteLine($"left a file: {fault}"));
            return 0;
        }

        Console.Out.WriteLine(Directory.Exists(stateDir) ? $"left {stateDir}: it holds files that are not the plugin's" : $"removed {stateDir}");
        return 0;
    }

    private static IEnumerable<string> Describe(Session session, HostRecord note)
    {
        if (note.FlowParent is { } parent)
        {
            yield return $"{DataPath.UniqueFlows.Name} of {note.Master} at {parent}, with its filters";
        }

        if (note.HostNetns == session.Namespace.Identity.ToString())
        {
            yield return $"filters{(note.CreatedMasterQdisc ? " and clsact" : "")} of {note.Master}";
            yield return $"filters{(note.CreatedLoopbackQdisc ? " and clsact" : "")} of lo";
            foreach (var (name, value) in note.Sysctls.Where(s => s.Value.Length > 0))
            {
                yield return $"the change of {name.Replace('/', '.')}, which is {value} again";
            }
        }
    }
}
