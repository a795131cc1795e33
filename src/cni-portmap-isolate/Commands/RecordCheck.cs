using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Commands;

/// <summary>Compares the store's record with the request: its ports, its namespace, and the previous result.</summary>
internal static class RecordCheck
{
    public static void Compare(
        DifferenceList differences, Attachment attachment, NetworkConfiguration configuration, CniRequest request, NamespaceIdentity container)
    {
        differences.Compare("state of the record", AttachmentState.Ready, attachment.State);
        if (!attachment.Rebuilt)
        {
            differences.Compare("namespace", attachment.Namespace.Identity, container);
        }

        if (!configuration.EphemeralPorts.Contains(attachment.Ports.Slice))
        {
            differences.Add("ephemeral ports", $"a slice of {configuration.EphemeralPorts}", attachment.Ports.Slice.ToString());
        }

        if (attachment.Change is not null)
        {
            differences.Add("state of the record", "no change under way", "a change that has begun and not ended");
        }

        // What an operator changed is not what the runtime asked for, and is meant to differ.
        var owned = attachment.Ports.Claims.ToLookup(c => c.Protocol);
        foreach (var claim in attachment.Changed is null ? configuration.Claims : [])
        {
            if (!PortSet.From(owned[claim.Protocol].Select(c => c.Range)).Contains(claim.Range))
            {
                differences.Add("ports", claim.ToString(), string.Join(", ", attachment.Ports.Claims));
            }
        }

        ComparePreviousResult(differences, attachment, request);
    }

    /// <summary>Other plugins of a chain may have added to the result, and changed MAC and MTU; what we reported must still be in it.</summary>
    private static void ComparePreviousResult(DifferenceList differences, Attachment attachment, CniRequest request)
    {
        var previous = request.Config.RequirePreviousResult();
        var interfaces = previous.Interfaces;
        if (!interfaces.IsEmpty)
        {
            if (!interfaces.Any(i => i.Name == attachment.HostInterface && string.IsNullOrEmpty(i.Sandbox)))
            {
                differences.Add("prevResult", $"interface {attachment.HostInterface}", string.Join(", ", interfaces.Select(i => i.Name)));
            }

            if (!interfaces.Any(i => i.Name == attachment.Key.IfName && i.Sandbox == request.Netns))
            {
                differences.Add(
                    "prevResult",
                    $"interface {attachment.Key.IfName} in {request.Netns}",
                    string.Join(", ", interfaces.Select(i => $"{i.Name} in {i.Sandbox ?? "the host"}")));
            }
        }

        var address = $"{attachment.Host.Address}/{attachment.Host.PrefixLength}";
        if (!previous.Ips.Any(ip => ip.Address == address))
        {
            differences.Add("prevResult", $"address {address}", string.Join(", ", previous.Ips.Select(ip => ip.Address)));
        }
    }
}
