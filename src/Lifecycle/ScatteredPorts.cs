using System.Globalization;
using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Attaching;

/// <summary>Fixed ports that are spread over more blocks than filters have room for.</summary>
internal static class ScatteredPorts
{
    /// <exception cref="CniException">7: the ports are scattered over more than <see cref="AttachmentPath.MostBlocks"/> blocks.</exception>
    public static void Refuse(IEnumerable<PortClaim> claims)
    {
        var blocks = AttachmentPath.CountBlocks(claims);
        if (blocks > AttachmentPath.MostBlocks)
        {
            throw new CniException(
                CniErrorCode.InvalidNetworkConfig,
                string.Create(CultureInfo.InvariantCulture, $"the fixed ports fall into {blocks} aligned blocks; a container can have {AttachmentPath.MostBlocks}"),
                "one range takes few blocks, as many single ports take as many; ports for TCP and UDP count twice");
        }
    }
}
