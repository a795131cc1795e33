using CniIsolator.Exporter.CommandLine;
using CniIsolator.Linux;

// A unix socket is its owner's alone, whatever mask the service manager has.
HostIdentity.SetUmask(0b000_111_111);

return await ExporterCommand.RunAsync(args, Console.Out, Console.Error).ConfigureAwait(false);
