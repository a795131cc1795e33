namespace CniIsolator.FullKernel.Tests;

/// <summary>The kernel is one that the other tests can rely on.</summary>
public sealed class KernelTests
{
    [Fact]
    public void The_kernel_has_everything()
    {
        using Namespace place = Namespace.Create("kernel");
        place.IpBatch("link set lo up", "link add probe0 type dummy", "link set probe0 up");
        (string Feature, string[] Arguments)[] commands =
        [
            ("htb", ["qdisc", "add", "dev", "probe0", "root", "handle", "1:", "htb", "default", "1"]),
            ("a class of htb", ["class", "add", "dev", "probe0", "parent", "1:", "classid", "1:1", "htb", "rate", "1mbit"]),
            ("fq_codel", ["qdisc", "add", "dev", "probe0", "parent", "1:1", "handle", "2:", "fq_codel"]),
            ("clsact", ["qdisc", "add", "dev", "probe0", "clsact"]),
            ("u32 with mirred", ["filter", "add", "dev", "probe0", "ingress", "protocol", "ip", "u32", "match", "u32", "0", "0",
                "action", "mirred", "egress", "redirect", "dev", "lo"]),
            ("cls_bpf", ["filter", "add", "dev", "probe0", "ingress", "protocol", "all", "bpf", "da", "bytecode", "1,6 0 0 2"]),
        ];
        List<string> missing = [.. commands
            .Select(one => (one.Feature, Result: place.Execute("tc", one.Arguments)))
            .Where(one => one.Result.ExitCode != 0)
            .Select(one => $"{one.Feature} ({one.Result.Error.Trim()})")];

        // What the counting of matches relies on: without CONFIG_CLS_U32_PERF tc shows none.
        if (!place.Tc("-s filter show dev probe0 ingress").Contains("rule hit", StringComparison.Ordinal))
        {
            missing.Add("counters of u32");
        }

        if (!File.Exists("/proc/sys/kernel/unprivileged_bpf_disabled"))
        {
            missing.Add("the bpf system call");
        }

        Assert.True(missing.Count == 0, $"this kernel lacks {string.Join(", ", missing)}; run these tests by tests/full-kernel/test.sh");
    }
}
