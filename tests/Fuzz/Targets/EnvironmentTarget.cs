using System.Text;
using CniIsolator.Cni;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Fuzz;

/// <summary>
/// The CNI_* variables, one a line in the order of <see cref="Names"/>: valid ones or code 4, arguments that never fail for their form,
/// and what PORTS, EPHEMERAL_PORTS and CPUS ask for is granted as asked or refused by name.
/// </summary>
public sealed class EnvironmentTarget : Target
{
    private static readonly string[] Names = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_PATH", "CNI_ARGS", "CNI_NETNS_OVERRIDE"];

    private static readonly CniConfig Config =
        CniConfig.Parse("""{"name":"n","ephemeralPorts":"34000-57343","ports":"31000-31999,33000"}"""u8);

    public override string Name => "environment";

    public override int Weight => 15;

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        .. ((string[])[
            "ADD\nc0ffee\neth0\n/run/netns/x\n/opt/cni/bin\nIgnoreUnknown=1;K8S_POD_NAME=web;PORTS=31005,31010-31019;EPHEMERAL_PORTS=256;CPUS=2\n",
            "DEL\nc-1_.\neth0\n\n/opt/cni/bin\n\n1",
            "CHECK\nx\nabcdefghijklmno\n/proc/1/ns/net\n/a:/b\nCPUS=0.25;EPHEMERAL_PORTS=16\ntrue",
            "GC\n\n\n\n/opt\nPORTS=\n",
            "VERSION\n\n\n\n\n\n",
        ]).Select(Encoding.UTF8.GetBytes),
    ];

    public override IReadOnlyList<string> Words { get; } =
        ["PORTS=", "EPHEMERAL_PORTS=", "CPUS=", ";", "31005", "31000-31999", "1e3", "2147483648", "0.001", "65537", "STATUS", "..", ".", "/", ":", "eth0", "\u00a0", "\u3000"];

    public override void Try(byte[] input, Random random)
    {
        var values = Encoding.UTF8.GetString(input).Split('\n');
        CniEnvironment environment;
        try
        {
            environment = CniEnvironment.Read(name => Array.IndexOf(Names, name) is var at && at < values.Length ? values[at] : null);
        }
        catch (CniException e)
        {
            Promise(e.Code == CniErrorCode.InvalidEnvironment, $"code {e.Code}: {e.Message}");
            return;
        }

        if (environment.Command is CniCommand.Add or CniCommand.Delete or CniCommand.Check)
        {
            Promise(environment.ContainerId.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-'), $"container id \"{environment.ContainerId}\"");
            Promise(
                Encoding.UTF8.GetByteCount(environment.IfName) is > 0 and < 16 && !environment.IfName.Any(c => c is '/' or ':' or '\0' || char.IsWhiteSpace(c)),
                $"interface name \"{environment.IfName}\"");
        }

        var arguments = CniArgs.Parse(environment.Args);
        try
        {
            var configuration = NetworkConfiguration.From(Config, arguments);
            Promise(
                arguments["EPHEMERAL_PORTS"] is not { Length: > 0 } size || size.Trim() == configuration.EphemeralPortsPerContainer.ToString(),
                $"EPHEMERAL_PORTS={arguments["EPHEMERAL_PORTS"]} gave {configuration.EphemeralPortsPerContainer}");
            Promise(configuration.Claims.All(c => c.Range.Begin > 0 && configuration.Ports.Contains(c.Range)), $"PORTS={arguments["PORTS"]} gave {string.Join(',', configuration.Claims)}");
        }
        catch (CniException e)
        {
            Promise(e.Code is CniErrorCode.InvalidNetworkConfig or CniErrorCode.PortTaken, $"code {e.Code}: {e.Message}");
            Promise(e.Code == CniErrorCode.PortTaken || e.Message.Contains("PORTS") || e.Message.Contains("CPUS"), $"an error that does not name the argument: {e.Message}");
        }
    }
}
