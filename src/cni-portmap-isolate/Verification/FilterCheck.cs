using CniIsolator.DataPath;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.Verification;

/// <summary>Compares filters with the kernel's.</summary>
internal static class FilterCheck
{
    /// <summary>Every expected filter must be there as it was made; on places of our own no other may be.</summary>
    public static void Compare(DifferenceList differences, FilterDump dump, IEnumerable<U32Filter> expected, Func<int, string> deviceName, bool exactly)
    {
        foreach (var place in expected.GroupBy(f => f.At))
        {
            var device = deviceName(place.Key.Index);

            // Not ToDictionary: somebody else's table may have a number that stands for the root table.
            var found = new Dictionary<U32Handle, U32Filter>();
            dump.List(place.Key).ForEach(f => found[f.Handle.AsRequested] = f);
            foreach (var filter in place)
            {
                if (!found.Remove(filter.Handle, out var actual))
                {
                    differences.Add($"filter {filter.Handle} on {device}", filter.ToString()!, "none");
                }
                else if (actual.ToString() != filter.ToString())
                {
                    differences.Add($"filter {filter.Handle} on {device}", filter.ToString()!, actual.ToString()!);
                }
            }

            if (exactly)
            {
                foreach (var stranger in found.Values)
                {
                    differences.Add($"filter {stranger.Handle} on {device}", "none", stranger.ToString()!);
                }
            }
        }
    }
}
