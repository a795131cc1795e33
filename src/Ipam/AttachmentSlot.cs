namespace CniIsolator.Ipam;

/// <summary>Small numbers that kernel handles are derived from; 0 is not one, and twelve bits is what a handle has room for.</summary>
public static class AttachmentSlot
{
    public const int First = 1;

    public const int Last = 4095;

    /// <summary>The smallest free slot, or null when all 4095 are in use.</summary>
    /// <param name="attachments">Records that hold slots.</param>
    /// <param name="alsoTaken">Slots known to be in use otherwise, for instance seen in the kernel without a record.</param>
    public static int? Next(IEnumerable<Attachment> attachments, IEnumerable<int>? alsoTaken = null)
    {
        var taken = attachments.Select(a => a.Numbers.Slot).Concat(alsoTaken ?? []).ToHashSet();
        for (var slot = First; slot <= Last; slot++)
        {
            if (!taken.Contains(slot))
            {
                return slot;
            }
        }

        return null;
    }
}
