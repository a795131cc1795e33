using System.Collections.Immutable;
using System.Text.Json;

namespace CniIsolator.Cni;

/// <summary>
/// What Mesos' isolator network/cni tells about a container: its NetworkInfo message as JSON in
/// <c>args["org.apache.mesos"].network_info</c>.
/// </summary>
/// <param name="PortMappings">Its port_mappings; they have no host address.</param>
/// <param name="Labels">Its labels in their order; a label without a value has "".</param>
public sealed record MesosNetworkInfo(
    IReadOnlyList<PortMapping> PortMappings, ImmutableArray<KeyValuePair<string, string>> Labels)
{
    public static readonly MesosNetworkInfo Empty = new([], []);

    /// <summary>The value of a label, the first one where it is repeated; null where it is absent. Case matters.</summary>
    public string? Label(string key)
    {
        foreach (var label in Labels)
        {
            if (label.Key == key)
            {
                return label.Value;
            }
        }

        return null;
    }

    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>, naming the member.</exception>
    internal static MesosNetworkInfo From(ConfigValue args)
    {
        // "args" is anyone's; only what is under Mesos' own name may be held to a shape.
        if (args.Element.ValueKind != JsonValueKind.Object)
        {
            return Empty;
        }

        var info = args.Member("org.apache.mesos").Member("network_info");
        if (!info.IsPresent)
        {
            return Empty;
        }

        return new MesosNetworkInfo(
            PortMapping.ReadList(info.Member("port_mappings"), "host_port", "container_port", "host_ip"),
            [
                .. info.Member("labels").Member("labels").Items().Select(label => KeyValuePair.Create(
                    label.Member("key").AsString() ?? "", label.Member("value").AsString() ?? "")),
            ]);
    }
}
