using System.Text;
using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>What CNI identifies an attachment by.</summary>
[method: JsonConstructor]
public readonly record struct AttachmentKey(string Network, string ContainerId, string IfName)
{
    /// <summary>
    /// Name of the host end of the veth pair and of the record's file: "pmi" and 12 hex digits, 15 characters,
    /// the most that an interface name can have.
    /// </summary>
    [JsonIgnore]
    public string HostInterface
    {
        get
        {
            // NUL cannot occur in any of the three, so different keys never join to the same bytes.
            var digest = Sha256.Hash(Encoding.UTF8.GetBytes($"{Network}\0{ContainerId}\0{IfName}"));
            return "pmi" + Convert.ToHexStringLower(digest.AsSpan(0, 6));
        }
    }

    public override string ToString() => $"{Network}/{ContainerId}/{IfName}";
}
