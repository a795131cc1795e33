using System.CommandLine;
using System.Runtime.InteropServices;
using CniIsolator.Exporter.Kubernetes;
using CniIsolator.Ipam;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.CommandLine;

/// <summary>
/// The command "kubernetes": what an image without a shell needs to be a node's installer, and what tells kubelet how many containers the node takes.
/// It is part of this program because it reads the same store; the exporter itself does not know of it.
/// </summary>
internal sealed class KubernetesCommand
{
    private readonly Command _install;
    private readonly Command _uninstall;
    private readonly Command _advertise;
    private readonly Option<string> _plugin = Path("--plugin", "FILE", "The plugin in the image", "/" + NetworkFile.PluginName);
    private readonly Option<string> _config = Path(
        "--config", "FILE", "The network's configuration in the image, whose name it keeps on the host", "/conf/kubernetes/10-portmap-isolate.conflist");

    private readonly Option<string> _binDir = Path("--bin-dir", "DIR", "Where the host's runtime looks for plugins", "/opt/cni/bin");
    private readonly Option<string> _netDir = Path("--net-dir", "DIR", "Where the host's runtime looks for networks", "/etc/cni/net.d");
    private readonly Option<string> _stateDir = Path("--state-dir", "DIR", "Where the plugin's store lives", AttachmentStore.DefaultStateDir);
    private readonly Option<string> _kubeletDir = Path("--kubelet-dir", "DIR", "Kubelet's directory for device plugins", "/var/lib/kubelet/device-plugins");
    private readonly Option<bool> _force = new("--force") { Description = "Remove the plugin although containers are attached", Arity = ArgumentArity.Zero };
    private readonly Option<bool> _stay = new("--stay") { Description = "Then wait to be told to stop, as a DaemonSet's pod must", Arity = ArgumentArity.Zero };

    private readonly Option<string> _resource = new("--resource")
    {
        Description = "The extended resource that pods ask for",
        HelpName = "DOMAIN/NAME",
        DefaultValueFactory = _ => ResourceName.Default,
    };

    public KubernetesCommand()
    {
        _resource.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var name }] && ResourceName.FindFault(name) is { } fault)
            {
                result.AddError($"--resource \"{name}\": {fault}");
            }
        });
        _install = new Command("install", "Copies plugin and configuration to the host in one step each, the configuration last; what is the same is left alone.")
        {
            _plugin, _config, _binDir, _netDir,
        };
        _uninstall = new Command("uninstall", "Removes configuration and plugin, in this order; refused while containers are attached.")
        {
            _plugin, _config, _binDir, _netDir, _stateDir, _force, _stay,
        };
        _advertise = new Command("advertise", "Tells kubelet, as a device plugin, how many containers the node takes, until it is told to stop.")
        {
            _resource, _config, _stateDir, _kubeletDir,
        };
        Command = new Command("kubernetes", "What a DaemonSet needs on its nodes.") { _install, _uninstall, _advertise };
    }

    public Command Command { get; }

    /// <summary>The exit code, or null where the command line is not one of these.</summary>
    /// <param name="parsed">A command line without faults.</param>
    /// <param name="say">Takes a line for people.</param>
    /// <exception cref="IOException">What was to be done cannot be.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    /// <exception cref="StoreException">The store cannot be trusted or read.</exception>
    /// <exception cref="LinuxException">This process cannot tell its own network namespace.</exception>
    public async Task<int?> TryRunAsync(ParseResult parsed, Action<string> say)
    {
        var command = parsed.CommandResult.Command;
        if (command != _install && command != _uninstall && command != _advertise)
        {
            return null;
        }

        // A service has nothing to read anew, and must not end because somebody's habit is to tell it so.
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, static signal => signal.Cancel = true);
        using var stop = new CancellationTokenSource();
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        if (command == _advertise)
        {
            var settings = new AdvertiserSettings(parsed.GetValue(_resource)!, parsed.GetValue(_kubeletDir)!);
            if (settings.FindFault() is { } fault)
            {
                throw new IOException(fault);
            }

            using var counter = new SliceCounter(parsed.GetValue(_config)!, parsed.GetValue(_stateDir)!);
            await new Advertiser(settings, counter.Take, TimeProvider.System, say).RunAsync(stop.Token).ConfigureAwait(false);
            return 0;
        }

        var files = new HostFiles(
            parsed.GetValue(_plugin)!, parsed.GetValue(_config)!, parsed.GetValue(_binDir)!, parsed.GetValue(_netDir)!, say);
        if (command == _install)
        {
            files.Install();
            return 0;
        }

        files.Uninstall(parsed.GetValue(_stateDir)!, parsed.GetValue(_force));
        if (parsed.GetValue(_stay))
        {
            await Task.Delay(Timeout.Infinite, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return 0;

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private static Option<string> Path(string name, string kind, string description, string otherwise)
    {
        var option = new Option<string>(name) { Description = description, HelpName = kind, DefaultValueFactory = _ => otherwise };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var path }] && (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)))
            {
                result.AddError($"{name}: \"{path}\" is not a path");
            }
        });
        return option;
    }
}
