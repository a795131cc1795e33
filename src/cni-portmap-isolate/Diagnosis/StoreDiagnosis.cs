using System.Globalization;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>The files: whether they can be trusted, and lie where they should.</summary>
internal static class StoreDiagnosis
{
    public static void Look(FindingList findings, string stateDir)
    {
        if (FileFacts.Read(stateDir) is not { } directory)
        {
            findings.Good("store", $"{stateDir} has 0 attachments: it is made by the first ADD");
            return;
        }

        var before = findings.Faults;
        if (directory.IsSymbolicLink)
        {
            findings.Fault("store", $"{stateDir} is a symbolic link, which could be turned to another place; every command refuses it", $"rm {stateDir}");
            return;
        }

        if (!directory.IsDirectory)
        {
            findings.Fault("store", $"{stateDir} is not a directory", $"rm {stateDir}");
            return;
        }

        LookAtOwner(findings, stateDir, directory, "0700");
        if (FileSystem.KindOf(stateDir) is var kind and not ("tmpfs" or "ramfs"))
        {
            findings.Warn(
                "store",
                $"{stateDir} lies on {kind}, not on a tmpfs: records outlive a reboot, which does no harm, and each write waits for a disk",
                "leave stateDir out of the configuration: /run is a tmpfs");
        }

        foreach (var path in Directory.EnumerateFileSystemEntries(stateDir).Order(StringComparer.Ordinal))
        {
            // A record may go while we look.
            if (FileFacts.Read(path) is { } file)
            {
                LookAtFile(findings, path, file);
            }
        }

        if (findings.Faults == before)
        {
            var count = new AttachmentStore(stateDir).ReadAll().Attachments.Count;
            findings.Good("store", string.Create(CultureInfo.InvariantCulture, $"{stateDir} has {count} attachments"));
        }
    }

    /// <summary>A log that cannot be written fails no command, and is missed when it is needed.</summary>
    public static void LookAtLog(FindingList findings, string path)
    {
        if (FileFacts.Read(path) is not { } file)
        {
            findings.Good("log", $"{path} is made by the first line");
            return;
        }

        if (file.IsDirectory)
        {
            findings.Fault("log", $"{path} is a directory: nothing is logged", $"name a file as {ConfigurationKeys.LogFile} in the configuration");
            return;
        }

        if (!file.IsRegularFile && !file.IsCharacterDevice)
        {
            // A fifo without a reader would have the open below wait for one.
            findings.Fault("log", $"{path} is {(file.IsSymbolicLink ? "a symbolic link, which is not followed" : "no file")}: nothing is logged", $"rm {path}");
            return;
        }

        if (file.IsWritableByOthers && file.IsRegularFile)
        {
            findings.Warn("log", $"{path} has mode {Mode(file)}: others than its owner can write what they like into it", $"chmod go-w {path}");
        }

        try
        {
            using var opened = PrivateFile.OpenAppend(path);
            findings.Good("log", $"{path} can be written");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            findings.Fault(
                "log",
                $"{path} cannot be written, and nothing is logged: {e.Message}",
                $"findmnt -T {path} tells whether it lies on something read-only, and lsattr {path} whether it is immutable; or name another file as {ConfigurationKeys.LogFile} in the configuration");
        }
    }

    private static void LookAtFile(FindingList findings, string path, FileFacts file)
    {
        if (file.IsSymbolicLink)
        {
            findings.Fault("store", $"{path} is a symbolic link, which is not followed", $"rm {path}");
        }
        else if (!file.IsRegularFile)
        {
            findings.Warn("store", $"{path} is no file of ours; uninstall will leave the directory for it", "move it to another place");
        }
        else
        {
            LookAtOwner(findings, path, file, "0600");
        }
    }

    private static void LookAtOwner(FindingList findings, string path, FileFacts facts, string mode)
    {
        if (facts.Owner != FileFacts.CurrentUser)
        {
            findings.Fault(
                "store",
                string.Create(CultureInfo.InvariantCulture, $"{path} belongs to user {facts.Owner}, who can change it; commands run as user {FileFacts.CurrentUser}"),
                string.Create(CultureInfo.InvariantCulture, $"chown {FileFacts.CurrentUser} {path}"));
        }

        if (facts.IsWritableByOthers)
        {
            findings.Fault("store", $"{path} has mode {Mode(facts)}: writable by others than its owner", $"chmod {mode} {path}");
        }
    }

    private static string Mode(FileFacts facts) => Convert.ToString(facts.Permissions, 8).PadLeft(4, '0');
}
