namespace CniIsolator.Ipam;

/// <summary>
/// Queues of the master's fq_codel, which has 1024 of them: 1 is the host's, 2 that of ARP and ICMP, the others are the containers'.
/// </summary>
public static class FlowNumber
{
    public const int Host = 1;

    public const int Control = 2;

    public const int First = 3;

    public const int Last = 1023;

    /// <summary>How many containers can have one.</summary>
    public const int Count = Last - First + 1;

    /// <summary>The smallest free flow, or null when all 1021 are in use.</summary>
    public static int? Next(IEnumerable<Attachment> attachments)
    {
        var taken = attachments.Select(a => a.Numbers.Flow).ToHashSet();
        for (var flow = First; flow <= Last; flow++)
        {
            if (!taken.Contains(flow))
            {
                return flow;
            }
        }

        return null;
    }
}
