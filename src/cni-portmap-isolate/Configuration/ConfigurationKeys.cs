using CniIsolator.Cni;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Configuration;

/// <summary>The keys of the network configuration, their defaults, and the names looked for in CNI_ARGS and Mesos labels.</summary>
internal static class ConfigurationKeys
{
    public const string Master = "master";
    public const string Address = "address";
    public const string Ports = "ports";
    public const string EphemeralPorts = "ephemeralPorts";
    public const string EphemeralPortsPerContainer = "ephemeralPortsPerContainer";
    public const string LinkSpeed = "linkSpeed";
    public const string EgressUniqueFlowPerContainer = "egressUniqueFlowPerContainer";
    public const string EgressFlowClassifierParent = "egressFlowClassifierParent";
    public const string HostLoopback = "hostLoopback";
    public const string PortMappings = "portMappings";
    public const string StateDir = "stateDir";
    public const string LogFile = "logFile";
    public const string LogLevel = "logLevel";
    public const string GcForce = "gcForce";

    public const string PortsArgument = "PORTS";
    public const string EphemeralPortsArgument = "EPHEMERAL_PORTS";
    public const string CpusArgument = "CPUS";
    public const string EphemeralPortsLabel = "ephemeral_ports";
    public const string CpusLabel = "cpus";

    public const string DefaultPorts = "31000-32000";
    public const string DefaultStateDir = AttachmentStore.DefaultStateDir;
    public const string DefaultLogFile = "/var/log/cni-portmap-isolate.log";
    public const int DefaultEphemeralPortsPerContainer = 1024;

    /// <summary>An error in a value that did not come as a JSON member.</summary>
    public static CniException Invalid(string key, string value, string problem) =>
        new(CniErrorCode.InvalidNetworkConfig, $"{key}: \"{ConfigValue.Shorten(value)}\" {problem}");
}
