using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>The numbers by which the kernel knows an attachment's interfaces and filters.</summary>
public sealed record KernelNumbers
{
    /// <summary>Index of the veth's end on the host; 0 while it is not known.</summary>
    public required int HostEnd { get; init; }

    /// <summary>Index of the veth's end inside the container's namespace; 0 while it is not known.</summary>
    public required int ContainerEnd { get; init; }

    /// <summary>1 to 4095, unique among the records: kernel handles are derived from it.</summary>
    public required int Slot { get; init; }

    /// <summary>Its flow on the master, 3 to 1023, unique among the records; 0 is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int Flow { get; init; }

    /// <summary>
    /// 0 or 1: which of two ranges of handles the container's own filters have. A change makes the new ones in the other
    /// range before it removes the old ones.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int Generation { get; init; }

    /// <summary>What is wrong beyond what types can express, or null.</summary>
    internal string? FindFault() =>
        HostEnd < 0 ? $"hostEnd {HostEnd} is negative"
        : ContainerEnd < 0 ? $"containerEnd {ContainerEnd} is negative"
        : Slot is < AttachmentSlot.First or > AttachmentSlot.Last ? $"slot {Slot} is outside {AttachmentSlot.First}-{AttachmentSlot.Last}"
        : Flow is not 0 and (< FlowNumber.First or > FlowNumber.Last) ? $"flow {Flow} is outside {FlowNumber.First}-{FlowNumber.Last}"
        : Generation is not (0 or 1) ? $"generation {Generation} is neither 0 nor 1"
        : null;
}
