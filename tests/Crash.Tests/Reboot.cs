using CniIsolator.Testbed;

namespace CniIsolator.Crash.Tests;

/// <summary>The host after a reboot: a new kernel's namespace, and a store that was on a disk, whose records have the boot id of before.</summary>
public sealed class Reboot : IDisposable
{
    private readonly Topology _net = new();
    private readonly string _before;

    public Reboot()
    {
        _net.Host.Ip("link set lo address 02:00:00:00:00:0a");
        Config = new NetworkConfig(_net);
        Plugin = new Plugin(_net, Config);
        Wait.Until(() => !_net.Host.Ip("address show").Contains("tentative", StringComparison.Ordinal), "the addresses of the new host");
        _before = HostState.Read(_net.Host);
    }

    public NetworkConfig Config { get; }

    public Plugin Plugin { get; }

    public string Store => Config.StateDirectory!;

    /// <summary>Brings a copy of another host's store over, in the place of what is here.</summary>
    public void Take(string store)
    {
        if (Directory.Exists(Store))
        {
            Directory.Delete(Store, recursive: true);
        }

        if (!Directory.Exists(store))
        {
            return;
        }

        // The boot id is this machine's own; that of the records is what can be changed.
        string boot = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
        Directory.CreateDirectory(Store, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (string path in Directory.GetFiles(store))
        {
            string copy = Path.Combine(Store, Path.GetFileName(path));
            File.Copy(path, copy);
            File.WriteAllText(copy, File.ReadAllText(path).Replace(boot, "00000000-1111-2222-3333-444444444444", StringComparison.Ordinal));
        }
    }

    public void RequireUnchanged(string when)
    {
        string now = "";
        if (!Wait.For(() => (now = HostState.Read(_net.Host)) == _before))
        {
            throw new CellException($"{when}, the new host has changed:\n{HostState.Difference(_before, now)}");
        }
    }

    public void Dispose() => _net.Dispose();
}
