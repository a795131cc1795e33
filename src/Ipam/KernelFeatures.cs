using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>What the kernel that an attachment was made on has and has not; all false where nothing turned out.</summary>
public readonly record struct KernelFeatures
{
    /// <summary>
    /// Whether the kernel has no fq_codel, so that what waits behind a limit waits in the plain queue that htb brings.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool PlainQueue { get; init; }

    /// <summary>
    /// Whether a last filter drops what no other lets the container send; else the host's stack is left to do it.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool DropsUnmatched { get; init; }

    /// <summary>
    /// Whether a first filter drops what would leave the machine with another port or address than the filters have seen.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool GuardsChecksums { get; init; }

    /// <summary>
    /// Whether that filter lets pass only packets whose checksums are filled in, so that the container's interface leaves none to others:
    /// of a kernel that does not tell where they are filled in. False in a record that was rebuilt, as it stands inside the container.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool FinishesChecksums { get; init; }
}
