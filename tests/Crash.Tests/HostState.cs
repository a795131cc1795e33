using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Crash.Tests;

/// <summary>
/// What a plugin may change of a host, in as few processes as possible: for thousands of comparisons. <see cref="KernelState"/> sees more
/// and is compared at the ends.
/// </summary>
public static partial class HostState
{
    private static readonly string[] Sysctls =
        ["ip_forward", "ip_local_port_range", "ip_local_reserved_ports", .. from device in (string[])["all", "default", "lo", "eth0"]
            from name in (string[])["accept_local", "route_localnet", "rp_filter", "forwarding", "arp_ignore"]
            select $"conf/{device}/{name}"];

    public static string Read(Namespace host)
    {
        string links = Batch(host, "ip", ["-d", "-o"], "address show", "link show", "route show table all", "rule show");
        string qdiscs = Batch(host, "tc", [], "qdisc show");
        string[] hooks = [.. Clsact().Matches(qdiscs).SelectMany(match => new[] { $"filter show dev {match.Groups[1]} ingress", $"filter show dev {match.Groups[1]} egress" })];
        string filters = hooks.Length == 0 ? "" : Batch(host, "tc", [], hooks);
        string settings = host.Run(() => string.Join('\n', Sysctls.Where(name => File.Exists("/proc/sys/net/ipv4/" + name)).Select(name => $"{name} {File.ReadAllText("/proc/sys/net/ipv4/" + name).Trim()}")));
        return Passing().Replace(string.Join('\n', links, qdiscs, filters, settings), "");
    }

    /// <summary>Lines that only one of them has.</summary>
    public static string Difference(string before, string after)
    {
        string[] old = before.Split('\n'), now = after.Split('\n');
        return string.Join('\n', [.. old.Except(now).Select(line => "- " + line.Trim()), .. now.Except(old).Select(line => "+ " + line.Trim())]);
    }

    private static string Batch(Namespace host, string command, string[] options, params string[] lines) =>
        host.ExecuteAsync(command, [.. options, "-batch", "-"], string.Join('\n', lines) + "\n").GetAwaiter().GetResult().Require();

    [GeneratedRegex(@"^qdisc clsact \S+ dev (\S+)", RegexOptions.Multiline)]
    private static partial Regex Clsact();

    [GeneratedRegex(@"\bstate \S+ |\blinkdown ?|\brefcnt \d+ ?|\bindex \d+ |\bref \d+ |\bbind \d+|\b(?:installed|used) \d+ sec ?")]
    private static partial Regex Passing();
}
