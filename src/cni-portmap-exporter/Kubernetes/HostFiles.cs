using CniIsolator.Ipam;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>Brings plugin and network configuration to where a host's runtime looks for them, and takes them away again.</summary>
/// <param name="plugin">The plugin's file, to be copied.</param>
/// <param name="config">The network's file, to be copied under its own name.</param>
/// <param name="binDir">Where the runtime looks for plugins, as mounted here.</param>
/// <param name="netDir">Where the runtime looks for networks, as mounted here.</param>
/// <param name="say">Takes a line.</param>
internal sealed class HostFiles(string plugin, string config, string binDir, string netDir, Action<string> say)
{
    private static readonly string[] NetworkEndings = [".conf", ".conflist", ".json"];

    private string PluginTarget { get; } = Path.Combine(binDir, NetworkFile.PluginName);

    private string ConfigTarget { get; } = Path.Combine(netDir, Path.GetFileName(config));

    /// <summary>
    /// Installs what is not in place. The configuration comes last: a runtime that sees it may call the plugin at once. Everything is judged
    /// before anything is changed.
    /// </summary>
    /// <exception cref="IOException">A file is not what it should be, or cannot be installed; the message names it.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public void Install()
    {
        RequireDirectories();
        if (NetworkFile.Read(config) is null)
        {
            throw new IOException($"{config}: none of its plugins is {NetworkFile.PluginName}");
        }

        if (IsOfOthers(ConfigTarget))
        {
            throw new IOException($"{ConfigTarget}: a network of others, which is not overwritten: rename --config or remove it");
        }

        Put(plugin, PluginTarget, FileReplacement.Program);
        Put(config, ConfigTarget, FileReplacement.Data);
        foreach (var earlier in Earlier())
        {
            say($"warning: {Path.Combine(netDir, earlier)} comes before {Path.GetFileName(ConfigTarget)}, and most runtimes take the first file by name");
        }
    }

    /// <summary>
    /// Removes the configuration first, so that no runtime calls a plugin that is gone, then the plugin. What somebody else has changed stays.
    /// Refused while containers are attached: only the plugin can detach them.
    /// </summary>
    /// <param name="stateDir">Where the plugin's store lives.</param>
    /// <param name="force">Remove them anyway.</param>
    /// <exception cref="IOException">Containers are attached, or a file cannot be removed; the message names it.</exception>
    /// <exception cref="StoreException">The store cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public void Uninstall(string stateDir, bool force)
    {
        RequireDirectories();
        var attached = CountAttached(stateDir);
        if (attached > 0 && !force)
        {
            throw new IOException($"attached containers: {attached}. Only the plugin can detach them: drain the node first, or give --force");
        }

        if (!File.Exists(ConfigTarget))
        {
            say($"{ConfigTarget}: not there");
        }
        else if (IsOfOthers(ConfigTarget))
        {
            say($"{ConfigTarget}: a network of others, left as it is");
        }
        else
        {
            File.Delete(ConfigTarget);
            say($"{ConfigTarget}: removed");
        }

        if (!File.Exists(PluginTarget))
        {
            say($"{PluginTarget}: not there");
        }
        else if (!FileReplacement.HaveSameContent(plugin, PluginTarget))
        {
            say($"{PluginTarget}: not the file that was installed, left as it is");
        }
        else
        {
            File.Delete(PluginTarget);
            say($"{PluginTarget}: removed");
        }
    }

    private void Put(string source, string target, UnixFileMode mode)
    {
        if (FileReplacement.IsInPlace(source, target, mode))
        {
            say($"{target}: in place");
            return;
        }

        FileReplacement.Copy(source, target, mode);
        say($"{target}: installed");
    }

    /// <summary>Whether something stands there that does not name our plugin; what is no JSON is not ours either.</summary>
    private static bool IsOfOthers(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        try
        {
            return NetworkFile.Read(path) is null;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static int CountAttached(string stateDir)
    {
        var bootId = HostIdentity.BootId;
        var attached = 0;
        foreach (var attachment in new AttachmentStore(stateDir).ReadAll().Attachments)
        {
            // Those of an earlier boot are gone whatever the store says.
            attached += attachment.MadeOn.BootId == bootId ? 1 : 0;
        }

        return attached;
    }

    private List<string> Earlier()
    {
        List<string> earlier = [];
        foreach (var path in Directory.EnumerateFiles(netDir))
        {
            var name = Path.GetFileName(path);
            if (NetworkEndings.Contains(Path.GetExtension(name)) && string.CompareOrdinal(name, Path.GetFileName(ConfigTarget)) < 0)
            {
                earlier.Add(name);
            }
        }

        earlier.Sort(StringComparer.Ordinal);
        return earlier;
    }

    private void RequireDirectories()
    {
        foreach (var directory in (string[])[binDir, netDir])
        {
            if (!Directory.Exists(directory))
            {
                throw new DirectoryNotFoundException($"{directory}: no such directory: mount the host's there");
            }
        }
    }
}
