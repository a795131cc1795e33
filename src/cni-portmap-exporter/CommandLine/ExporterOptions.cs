using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using CniIsolator.Exporter.Rates;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Sockets;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.CommandLine;

/// <summary>The options, and what is wrong with their values.</summary>
internal sealed class ExporterOptions
{
    public const string DefaultListenAddress = "127.0.0.1:9478";

    private readonly Option<ListenAddress[]> _listen = new("--listen")
    {
        Description = "Where to answer: ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH; may be repeated",
        HelpName = "ADDRESS",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        CustomParser = ParseAddresses,
        DefaultValueFactory = _ => [ListenAddress.TryParse(DefaultListenAddress, out string _)!],
    };

    private readonly Option<string> _stateDir = new("--state-dir")
    {
        Description = "Where the plugin's store lives",
        HelpName = "DIR",
        DefaultValueFactory = _ => AttachmentStore.DefaultStateDir,
    };

    private readonly Option<SocketDetail> _sockets = new("--socket-statistics")
    {
        Description = "What to tell of containers' sockets: none, summary (connections, retransmissions) or details (round-trip times, ports, too)",
        HelpName = "none|summary|details",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = ParseDetail,
        DefaultValueFactory = _ => SocketDetail.None,
    };

    private readonly Option<bool> _snmp = new("--snmp")
    {
        Description = "Tell what the kernel counts of containers' IP, ICMP, TCP and UDP",
        Arity = ArgumentArity.Zero,
    };

    private readonly Option<bool> _ports = new("--port-statistics")
    {
        Description = "Tell what each range of containers' ports received: all filters of the host are read for it",
        Arity = ArgumentArity.Zero,
    };

    private readonly Option<TimeSpan?> _window = new("--rate-window")
    {
        Description = "Tell percentiles of rates over so many seconds; needs --rate-interval",
        HelpName = "SECONDS",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = ParseSeconds,
    };

    private readonly Option<TimeSpan?> _interval = new("--rate-interval")
    {
        Description = "Look at the rates every so many seconds; needs --rate-window",
        HelpName = "SECONDS",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = ParseSeconds,
    };

    public ExporterOptions()
    {
        _stateDir.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var path }] && (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)))
            {
                result.AddError($"--state-dir: \"{path}\" is not a path");
            }
        });
        Command = new RootCommand("Serves the counters of containers that cni-portmap-isolate attached, to Prometheus and in the form of Mesos' agents.")
        {
            _listen, _stateDir, _sockets, _snmp, _ports, _window, _interval, Kubernetes.Command,
        };

        // Never called. Without one, a command that has others below it counts as half a command line.
        Command.SetAction(static _ => 0);
    }

    public RootCommand Command { get; }

    public KubernetesCommand Kubernetes { get; } = new();

    public ListenAddress[] ReadAddresses(ParseResult parsed) => parsed.GetValue(_listen)!;

    public string ReadStateDir(ParseResult parsed) => parsed.GetValue(_stateDir)!;

    public ExporterSettings ReadSettings(ParseResult parsed) => new(
        parsed.GetValue(_sockets),
        parsed.GetValue(_snmp),
        parsed.GetValue(_ports),
        parsed.GetValue(_window) is { } window && parsed.GetValue(_interval) is { } interval ? new RateSettings(window, interval) : null);

    /// <summary>
    /// What is wrong with the options together, or null. To be asked where each value could be read: a validator of the command would be asked
    /// before that is known, and may not ask for a value that could not.
    /// </summary>
    public string? FindFault(ParseResult parsed) => (parsed.GetValue(_window), parsed.GetValue(_interval)) switch
    {
        (null, null) => null,
        (null, _) => "--rate-interval needs --rate-window",
        (_, null) => "--rate-window needs --rate-interval",
        ({ } window, { } interval) => new RateSettings(window, interval).FindFault(),
    };

    private static TimeSpan? ParseSeconds(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;

        // Up to some thirty years, of which a time span holds more: what is too long is judged later.
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and < 1e9)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        result.AddError($"{result.Argument.Name} \"{text}\": expected seconds, such as 60 or 0.5");
        return null;
    }

    private static SocketDetail ParseDetail(ArgumentResult result)
    {
        var value = result.Tokens[0].Value;
        switch (value)
        {
            case "none":
                return SocketDetail.None;
            case "summary":
                return SocketDetail.Summary;
            case "details":
                return SocketDetail.Details;
            default:
                result.AddError($"--socket-statistics \"{value}\": expected none, summary or details");
                return default;
        }
    }

    private static ListenAddress[]? ParseAddresses(ArgumentResult result)
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
