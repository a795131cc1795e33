using System.Globalization;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;

namespace CniIsolator.Lifecycle;

/// <summary>Fixed ports that are spread over more blocks than filters have room for.</summary>
public static class ScatteredPorts
{
    /// <exception cref="IsolationException">7: the ports are scattered over more than <see cref="AttachmentPath.MostBlocks"/> blocks.</exception>
    public static void Refuse(IEnumerable<PortClaim> claims)
    {
        var blocks = AttachmentPath.CountBlocks(claims);
        if (blocks > AttachmentPath.MostBlocks)
        {
            throw new IsolationException(
                IsolationFault.InvalidConfiguration,
                string.Create(CultureInfo.InvariantCulture, $"the fixed ports fall into {blocks} aligned blocks; a container can have {AttachmentPath.MostBlocks}"),
                "one range takes few blocks, as many single ports take as many; ports for TCP and UDP count twice");
        }
    }
}
