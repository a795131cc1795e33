using CniIsolator.Cni;
using CniIsolator.Linux;
using CniIsolator.Plugin;
using CniIsolator.Plugin.CommandLine;

// State and log are root's own, whatever mask the runtime has, and its other leavings do no harm either.
StandardDescriptors.Fill();
StandardDescriptors.SurviveFileSizeLimit();
HostIdentity.SetUmask(0b000_010_111);

// A runtime passes no arguments, an operator no CNI_COMMAND.
if (args.Length > 0 && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CNI_COMMAND")))
{
    return OperatorCommands.Run(args);
}

using var stdin = StandardStreams.OpenInput();
using var stdout = StandardStreams.OpenOutput();
return CniDispatcher.Run(
    Environment.GetEnvironmentVariable,
    stdin,
    stdout,
    Console.Error,
    new PortmapPlugin(),
    "cni-portmap-isolate",
    OperatorCommands.Version);
