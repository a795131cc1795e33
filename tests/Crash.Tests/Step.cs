using System.Globalization;

namespace CniIsolator.Crash.Tests;

/// <summary>One step of a command, as the stepper reports it.</summary>
/// <param name="Number">From 1; receives from netlink are numbered by themselves.</param>
/// <param name="Kind">file, lock, unlock, sysctl, sysctl-open, change, query, receive, socket, namespace, bpf or stdout.</param>
/// <param name="Changes">Whether a kill behind it leaves something else than a kill before it.</param>
/// <param name="What">The call and its path, or the netlink message.</param>
public sealed record Step(int Number, string Kind, bool Changes, string What)
{
    public static Step Parse(string line)
    {
        string[] fields = line.Split('\t');
        return new Step(int.Parse(fields[0].TrimStart('r'), CultureInfo.InvariantCulture), fields[1], fields[2] == "K", fields[3]);
    }

    public bool IsReceive => Kind == "receive";

    /// <summary>Whether the store is another one behind it.</summary>
    public bool ChangesStore => Kind is "file" or "lock" or "unlock";
}
