using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Runtimes that never send DEL, and reboots, leak nothing: neither ports, nor filters, nor interfaces, nor records.</summary>
public sealed class ForgottenTests
{
    private const int Slices = 8;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Three_times_as_many_containers_as_there_are_slices_all_come_in(bool reboots)
    {
        // 8 slices of 1024 ports; two live at a time, as the one before the last is killed after the next has come.
        using Bed bed = new();
        Namespace? previous = null;
        for (int n = 0; n < 3 * Slices; n++)
        {
            Namespace container = bed.Added($"c{n}", 31000 + (n % 5));
            bed.Plugin.Check(container, $"c{n}", config: bed.Config.WithPorts(31000 + (n % 5))).Require();
            if (previous is not null)
            {
                SliceTests.Kill(bed, previous, $"c{n - 1}");
            }

            previous = container;
            if (reboots && n % 6 == 5)
            {
                SliceTests.Kill(bed, container, $"c{n}");
                previous = null;
                Reboot(bed);
            }
        }

        if (previous is not null)
        {
            SliceTests.Kill(bed, previous, $"c{(3 * Slices) - 1}");
        }

        bed.Plugin.CommandLine("gc").Require();
        bed.AssertClean();
    }

    /// <summary>What a reboot leaves: a host as it was at first, and, where the store is not on a tmpfs, its files.</summary>
    private static void Reboot(Bed bed)
    {
        foreach (string path in bed.Records)
        {
            string text = File.ReadAllText(path);
            string current = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
            File.WriteAllText(path, text.Replace(current, "00000000-0000-4000-8000-000000000000", StringComparison.Ordinal));
        }

        bed.Host.TcBatch("qdisc del dev eth0 clsact", "qdisc del dev lo clsact");
        bed.Host.Ip("link set lo address 02:00:00:00:00:0a");
        bed.Host.Sysctls(("net/ipv4/conf/lo/accept_local", "0"), ("net/ipv4/conf/lo/route_localnet", "0"));
        Bed.Unchanged(bed.Before, bed.Host);
    }
}
