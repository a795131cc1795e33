using System.CommandLine;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>The operator's command line: data on stdout, everything else on stderr; exit code 0, 1 fault found, 2 usage.</summary>
internal static class OperatorCommands
{
    private const int Fault = 1;
    private const int Usage = 2;

    public static string Version => ProgramVersion.Text;

    public static int Run(string[] args)
    {
        if (args is ["--version"])
        {
            Console.Out.WriteLine(Version);
            return 0;
        }

        var parsed = Build().Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
            {
                Console.Error.WriteLine($"cni-portmap-isolate: {error.Message}");
            }

            Console.Error.WriteLine("Try: cni-portmap-isolate --help");
            return Usage;
        }

        return parsed.Invoke();
    }

    private static RootCommand Build()
    {
        var stateDir = new Option<string>("--state-dir")
        {
            Description = "Where the store lives",
            DefaultValueFactory = _ => ConfigurationKeys.DefaultStateDir,
        };
        var json = new Option<bool>("--json") { Description = "Print JSON for programs instead of a table" };
        var id = new Argument<string>("ID") { Description = "Container id" };

        var list = new Command("list", "List every attachment of this host") { json, stateDir };
        list.SetAction(result => Guarded(() => Print(
            Read(result.GetValue(stateDir)!).Attachments, result.GetValue(json), AttachmentTable.WriteList)));

        var show = new Command("show", "Show one container's attachments") { id, json, stateDir };
        show.SetAction(result => Guarded(() =>
        {
            var container = result.GetValue(id)!;
            var attachments = Read(result.GetValue(stateDir)!).Attachments.Where(a => a.ContainerId == container).ToList();
            if (attachments.Count == 0)
            {
                Console.Error.WriteLine($"cni-portmap-isolate: no attachment of container \"{container}\"");
            }

            var code = Print(attachments, result.GetValue(json), AttachmentTable.WriteDetails);
            return attachments.Count == 0 ? Fault : code;
        }));

        return new RootCommand(
            "CNI plugin that lets containers share the host's one address, each with ports of its own. "
            + "Container runtimes run it without arguments, with CNI_COMMAND in its environment. "
            + "What is below is for the operator: data goes to stdout, all else to stderr; exit code 0, 1 for a fault, 2 for a wrong command line.")
        {
            list,
            show,
            UpdateCommand.Build(id, stateDir, Guarded),
            DoctorCommand.Build(stateDir, Guarded),
            GarbageCommand.Build(stateDir, Guarded),
            RepairCommand.Build(stateDir, Guarded),
            UninstallCommand.Build(stateDir, Guarded),
        };
    }

    private static int Print(
        IReadOnlyList<Attachment> attachments,
        bool json,
        Action<TextWriter, IReadOnlyList<Attachment>, Dictionary<AttachmentKey, List<string>>> table)
    {
        var ordered = attachments.OrderBy(a => a.Created).ThenBy(a => a.Key.ToString(), StringComparer.Ordinal).ToList();
        var warnings = AttachmentWarnings.Collect(ordered);
        if (json)
        {
            Console.Out.WriteLine(AttachmentJson.WriteArray(ordered, warnings));
        }
        else
        {
            table(Console.Out, ordered, warnings);
        }

        return 0;
    }

    /// <summary>Reads the store; what cannot be read is told on stderr and fails nothing.</summary>
    private static StoreContent Read(string stateDir)
    {
        var content = new AttachmentStore(stateDir).ReadAll();
        foreach (var record in content.Unreadable)
        {
            Console.Error.WriteLine($"cni-portmap-isolate: {record.Path} is unreadable: {record.Reason}");
        }

        return content;
    }

    private static int Guarded(Func<int> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (ErrorCodes.Find(e) is { } known)
        {
            Console.Error.WriteLine($"cni-portmap-isolate: error {known.Code}: {known.Message}{(known.Details is null ? "" : $": {known.Details}")}");
            return Fault;
        }
        catch (Exception e) when (e is StoreException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"cni-portmap-isolate: {e.Message}");
            return Fault;
        }
    }
}
