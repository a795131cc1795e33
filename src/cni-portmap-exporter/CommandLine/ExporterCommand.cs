using System.CommandLine;
using System.CommandLine.Help;
using System.Reflection;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Serving;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.CommandLine;

/// <summary>The exporter's command line; exit code 0 after a clean stop, 1 for a fault, 2 for a wrong command line.</summary>
internal static class ExporterCommand
{
    public const string DefaultListenAddress = "127.0.0.1:9478";

    private const string Name = "cni-portmap-exporter";
    private const int Fault = 1;
    private const int Usage = 2;

    public static string Version { get; } =
        typeof(ExporterCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error)
    {
        if (args is ["--version"])
        {
            await output.WriteLineAsync(Version).ConfigureAwait(false);
            return 0;
        }

        var command = Build(out var listen, out var stateDir);
        var parsed = command.Parse(args);
        if (parsed.Action is HelpAction)
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { Output = output, Error = error }).ConfigureAwait(false);
        }

        if (parsed.Errors.Count > 0)
        {
            foreach (var fault in parsed.Errors)
            {
                await error.WriteLineAsync($"{Name}: {fault.Message}").ConfigureAwait(false);
            }

            await error.WriteLineAsync($"Try: {Name} --help").ConfigureAwait(false);
            return Usage;
        }

        return await ServeAsync(parsed.GetValue(listen)!, parsed.GetValue(stateDir)!, error).ConfigureAwait(false);
    }

    private static async Task<int> ServeAsync(ListenAddress[] addresses, string stateDir, TextWriter error)
    {
        try
        {
            var sampler = new Sampler(new AttachmentStore(stateDir), TimeProvider.System);
            await using var server = new ExporterServer(addresses, new Routes(sampler.TakeAsync, Version));
            await server.StartAsync().ConfigureAwait(false);
            foreach (var address in addresses)
            {
                await error.WriteLineAsync($"{Name}: listening on {address}").ConfigureAwait(false);
            }

            var manager = new ServiceNotification(Environment.GetEnvironmentVariable(ServiceNotification.Variable));
            manager.Ready();
            using var told = server.Stopping.Register(manager.Stopping);
            await server.WaitForStopAsync().ConfigureAwait(false);
            return 0;
        }
        catch (IOException e)
        {
            await error.WriteLineAsync($"{Name}: {e.Message}").ConfigureAwait(false);
            return Fault;
        }
    }

    private static RootCommand Build(out Option<ListenAddress[]> listen, out Option<string> stateDir)
    {
        listen = new Option<ListenAddress[]>("--listen")
        {
            Description = "Where to answer: ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH; may be repeated",
            HelpName = "ADDRESS",
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = false,
            CustomParser = ParseAddresses,
            DefaultValueFactory = _ => [ListenAddress.TryParse(DefaultListenAddress, out string _)!],
        };
        stateDir = new Option<string>("--state-dir")
        {
            Description = "Where the plugin's store lives",
            HelpName = "DIR",
            DefaultValueFactory = _ => AttachmentStore.DefaultStateDir,
        };
        stateDir.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var path }] && (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)))
            {
                result.AddError($"--state-dir: \"{path}\" is not a path");
            }
        });

        return new RootCommand("Serves the counters of containers that cni-portmap-isolate attached, to Prometheus and in the form of Mesos' agents.") { listen, stateDir };
    }

    private static ListenAddress[]? ParseAddresses(System.CommandLine.Parsing.ArgumentResult result)
    {
        var addresses = new List<ListenAddress>();
        foreach (var token in result.Tokens)
        {
            if (ListenAddress.TryParse(token.Value, out var fault) is not { } address)
            {
                result.AddError($"--listen \"{token.Value}\": {fault}");
                return null;
            }

            if (addresses.Any(other => Equals(other.EndPoint, address.EndPoint)))
            {
                result.AddError($"--listen \"{token.Value}\": given twice");
                return null;
            }

            addresses.Add(address);
        }

        return [.. addresses];
    }
}
