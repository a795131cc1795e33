using System.CommandLine;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Lifecycle;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>"repair": puts back what running containers have in the kernel, and says what that was.</summary>
internal static class RepairCommand
{
    /// <param name="stateDir">The option with the store's directory.</param>
    /// <param name="run">Runs an action, and turns its failure into an exit code.</param>
    public static Command Build(Option<string> stateDir, Func<Func<int>, int> run)
    {
        var id = new Argument<string>("ID") { Description = "Container id", Arity = ArgumentArity.ZeroOrOne };
        var all = new Option<bool>("--all") { Description = "All containers of this host" };
        var repair = new Command("repair", "Put back what running containers should have, and follow a host whose address, MAC, MTU, gateway or interface has changed; exit code 1 where something is still wrong")
        {
            id, all, stateDir,
        };
        repair.Validators.Add(result =>
        {
            if (result.GetResult(all) is { Implicit: false } == (result.GetValue(id) is not null))
            {
                result.AddError("repair: either a container's ID or --all");
            }
        });
        repair.SetAction(result => run(() =>
        {
            using var session = new Session(result.GetValue(stateDir)!);
            var chosen = session.Store.ReadAll().Attachments.Where(a => result.GetValue(id) is not { } one || a.Key.ContainerId == one).ToList();
            if (chosen.Count == 0 && result.GetValue(id) is { } missing)
            {
                throw new CniException(CniErrorCode.UnknownContainer, $"no attachment of container \"{missing}\"");
            }

            return Run(session, chosen);
        }));
        return repair;
    }

    private static int Run(Session session, List<Attachment> chosen)
    {
        var (mended, faults) = (0, 0);
        var host = new HostRepair(session);
        if (chosen.Exists(a => session.IsOnThisHost(a) && session.Conditions.HasNamespace(a)))
        {
            Attempt("host", host.Apply);
        }

        var check = new AttachmentCheck(session);
        foreach (var attachment in chosen)
        {
            Attempt(attachment.Key.ToString(), () => new AttachmentRepair(session, host, check).Apply(attachment.Key));
        }

        if (chosen.Count > 0)
        {
            Attempt("host", () =>
            {
                host.Announce();
                return RepairResult.Nothing;
            });
        }

        if (mended + faults == 0)
        {
            Console.Out.WriteLine("nothing to repair");
        }

        return faults == 0 ? 0 : 1;

        // One fault keeps nobody else waiting.
        void Attempt(string name, Func<RepairResult> repair)
        {
            try
            {
                var result = repair();
                Tell("mended      ", name, result.Mended);
                Tell("assumed     ", name, result.Assumed);
                Tell("STILL WRONG ", name, result.Left);
                mended += result.Mended.Count;
                faults += result.Left.Count;
            }
            catch (Exception e) when (e is CniException or IsolationException or IOException or StoreException)
            {
                Console.Error.WriteLine($"cni-portmap-isolate: {(e is CniException or IsolationException ? ErrorCodes.Describe(e) : $"{name}: {e.Message}")}");
                faults++;
            }
        }
    }

    private static void Tell<T>(string what, string name, IReadOnlyList<T> lines)
    {
        foreach (var line in lines)
        {
            Console.Out.WriteLine($"{what} {name}: {line}");
        }
    }
}
