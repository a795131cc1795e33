using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>Starts the plugin by a shell, which sets limits, masks and descriptors as a careless runtime might.</summary>
public static class PluginShell
{
    /// <param name="bed">Where.</param>
    /// <param name="before">A command of the shell.</param>
    /// <param name="redirections">Of the plugin, such as ">&amp;-".</param>
    /// <param name="call">The plugin's variables and input.</param>
    public static Task<CommandResult> RunAsync(Bed bed, string before, string redirections, PluginCall call)
    {
        string more = string.Join(' ', call.Extra.Select(one => $"{one.Key}='{one.Value}'"));
        return bed.Host.ExecuteAsync(
            "sh",
            [
                "-c", $"{before}; exec env -i CNI_COMMAND={call.Command} CNI_CONTAINERID={call.ContainerId} CNI_IFNAME={call.Interface} CNI_PATH=/ CNI_NETNS=\"$1\" {more} \"$2\" {redirections}",
                "sh", call.NetworkNamespace!, bed.Plugin.Binary,
            ],
            call.Input);
    }
}
