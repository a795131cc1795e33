using System.CommandLine;
using System.CommandLine.Help;
using System.Reflection;
using System.Runtime.InteropServices;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Serving;
using CniIsolator.Ipam;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.CommandLine;

/// <summary>The exporter's command line; exit code 0 after a clean stop, 1 for a fault, 2 for a wrong command line.</summary>
internal static class ExporterCommand
{
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

        var options = new ExporterOptions();
        var parsed = options.Command.Parse(args);
        if (parsed.Action is HelpAction)
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { Output = output, Error = error }).ConfigureAwait(false);
        }

        List<string> faults = [];
        foreach (var fault in parsed.Errors)
        {
            faults.Add(fault.Message);
        }

        if (faults.Count == 0 && options.FindFault(parsed) is { } together)
        {
            faults.Add(together);
        }

        if (faults.Count > 0)
        {
            foreach (var fault in faults)
            {
                await error.WriteLineAsync($"{Name}: {fault}").ConfigureAwait(false);
            }

            await error.WriteLineAsync($"Try: {Name} --help").ConfigureAwait(false);
            return Usage;
        }

        try
        {
            if (await options.Kubernetes.TryRunAsync(parsed, line => error.WriteLine($"{Name}: {line}")).ConfigureAwait(false) is { } code)
            {
                return code;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or StoreException or LinuxException)
        {
            await error.WriteLineAsync($"{Name}: {e.Message}").ConfigureAwait(false);
            return Fault;
        }

        return await ServeAsync(options.ReadAddresses(parsed), options.ReadStateDir(parsed), options.ReadSettings(parsed), error).ConfigureAwait(false);
    }

    private static async Task<int> ServeAsync(ListenAddress[] addresses, string stateDir, ExporterSettings settings, TextWriter error)
    {
        try
        {
            // A service has nothing to read anew, and must not end because somebody's habit is to tell it so.
            using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, static signal => signal.Cancel = true);
            var faults = new FaultLog(TimeProvider.System, line => error.WriteLine($"{Name}: {line}"));
            using var sampler = new Sampler(stateDir, TimeProvider.System, faults, settings);
            sampler.Start();
            using var memory = new MemoryRelease(TimeProvider.System);
            await using var server = new ExporterServer(addresses, new Routes(sampler.TakeAsync, Version), faults);
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
}
