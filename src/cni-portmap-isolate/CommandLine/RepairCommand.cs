using System.CommandLine;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Repairing;

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
            var chosen = session.Store.ReadAll().Attachments.Where(a => result.GetValue(id) is not { } one || a.ContainerId == one).ToList();
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
        foreach (var attachment in chosen)
        {
            try
            {
                var result = new AttachmentRepair(session).Apply(attachment.Key);
                foreach (var difference in result.Mended)
                {
                    Console.Out.WriteLine($"mended       {attachment.Key}: {difference}");
                }

                foreach (var assumption in result.Assumed)
                {
                    Console.Out.WriteLine($"assumed      {attachment.Key}: {assumption}");
                }

                foreach (var difference in result.Left)
                {
                    Console.Out.WriteLine($"STILL WRONG  {attachment.Key}: {difference}");
                }

                mended += result.Mended.Count;
                faults += result.Left.Count;
            }
            catch (Exception e) when (e is CniException or IsolationException or IOException or StoreException)
            {
                // The others are not to wait for this one.
                var known = ErrorCodes.Find(e);
                Console.Error.WriteLine($"cni-portmap-isolate: {(known is null ? $"{attachment.Key}" : $"error {known.Code}")}: {e.Message}{(known?.Details is { } details ? $": {details}" : "")}");
                faults++;
            }
        }

        if (mended + faults == 0)
        {
            Console.Out.WriteLine("nothing to repair");
        }

        return faults == 0 ? 0 : 1;
    }
}
