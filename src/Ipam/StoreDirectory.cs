using System.Globalization;
using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>The store's files: what they are called, and reading and writing each as a whole.</summary>
internal sealed class StoreDirectory
{
    private const string RecordSuffix = ".json";
    private const string AsideSuffix = ".json.unreadable";
    private const string HostName = "host";
    private const string FreedName = "freed";
    private const string NetworksName = "networks";

    // Far beyond any record; it bounds what a damaged directory can make us read.
    private const int LargestFile = 1 << 20;

    internal StoreDirectory(string path) =>
        // A trailing slash would make the kernel follow a symbolic link that has to be refused.
        Path = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));

    internal string Path { get; }

    internal string LockPath => Full("lock");

    internal string HostPath => Full(HostName + RecordSuffix);

    internal string FreedPath => Full(FreedName + RecordSuffix);

    internal string NetworksPath => Full(NetworksName + RecordSuffix);

    internal string RecordPath(AttachmentKey key) => Full(key.HostInterface + RecordSuffix);

    /// <summary>Makes the directory (0700) where it is missing and refuses one that others could tamper with.</summary>
    internal void Prepare() => Attempt("create", Path, () =>
    {
        TrustedParents.Check(Path, [FileFacts.CurrentUser]);
        if (FileFacts.Read(Path) is null)
        {
            MakeParents(System.IO.Path.GetDirectoryName(Path));
            FileFacts.TryCreateDirectory(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        if (!IsUsable(FileFacts.CurrentUser))
        {
            throw new StoreException($"{Path} disappeared while it was being opened");
        }
    });

    /// <returns>False when there is no such directory.</returns>
    /// <exception cref="StoreException">There is one that cannot be trusted.</exception>
    internal bool IsUsable(params ReadOnlySpan<uint> owners)
    {
        FileFacts found;
        try
        {
            TrustedParents.Check(Path, owners);
            if (FileFacts.Read(Path) is not { } facts)
            {
                return false;
            }

            found = facts;
        }
        catch (DirectoryNotFoundException)
        {
            throw new StoreException($"a parent of {Path} is not a directory");
        }

        if (found.IsSymbolicLink)
        {
            throw new StoreException($"{Path} is a symbolic link; the state directory must be a directory itself");
        }

        if (!found.IsDirectory)
        {
            throw new StoreException($"{Path} is not a directory");
        }

        if (!owners.Contains(found.Owner))
        {
            throw new StoreException($"{Path} belongs to user {found.Owner}, not to user {FileFacts.CurrentUser}");
        }

        if (found.IsWritableByOthers)
        {
            var mode = Convert.ToString(found.Permissions, 8).PadLeft(4, '0');
            throw new StoreException($"{Path} has mode {mode}: writable by others than its owner");
        }

        return true;
    }

    /// <summary>Reads a file to its end.</summary>
    /// <returns>Null when it does not exist.</returns>
    /// <exception cref="RecordFormatException">It is not a regular file, or too large.</exception>
    /// <exception cref="StoreException">It cannot be read.</exception>
    internal static byte[]? ReadFile(string path) => Attempt("read", path, () =>
    {
        try
        {
            using var file = PrivateFile.OpenRead(path);
            if (file is null)
            {
                return null;
            }

            var content = new byte[checked((int)Math.Min(RandomAccess.GetLength(file), LargestFile + 1))];
            var length = 0;
            while (length < content.Length)
            {
                var read = RandomAccess.Read(file, content.AsSpan(length), length);
                if (read == 0)
                {
                    break;
                }

                length += read;
            }

            return length <= LargestFile
                ? content[..length]
                : throw new RecordFormatException($"the file is larger than {LargestFile} bytes");
        }
        catch (NotRegularFileException)
        {
            throw new RecordFormatException("not a regular file");
        }
    });

    /// <summary>
    /// Puts content in the place of a file in one step: a reader, a crash or a full disk leaves the old or the new one.
    /// </summary>
    internal void ReplaceFile(string path, ReadOnlySpan<byte> content)
    {
        var name = System.IO.Path.GetFileName(path);
        var temporary = Full(string.Create(CultureInfo.InvariantCulture, $".{name}.{Environment.ProcessId}.tmp"));
        try
        {
            using (var file = PrivateFile.Create(temporary))
            {
                RandomAccess.Write(file, content, 0);
                // So that the name never reaches the disk before the content. The directory is not flushed: after
                // a power cut the namespaces that the records describe are gone as well.
                PrivateFile.Flush(file, temporary);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            TryDelete(temporary);
            throw Failure("write", path, e);
        }
    }

    internal static void Delete(string path) => Attempt("remove", path, () => File.Delete(path));

    /// <summary>Renames a file to *.unreadable, with a number where that name is taken.</summary>
    internal static string SetAside(string path) => Attempt("set aside", path, () =>
    {
        for (var i = 0; ; i++)
        {
            var aside = path + ".unreadable" + (i == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $".{i}"));
            if (FileFacts.Read(aside) is null)
            {
                // Only the holder of the lock makes such names, so it is still free.
                File.Move(path, aside);
                return aside;
            }
        }
    });

    /// <summary>Removes what writers left behind that died between creating a temporary file and renaming it.</summary>
    internal void RemoveStaleTemporaries()
    {
        foreach (var name in Names())
        {
            // Our own id counts as dead: we hold the lock and write nothing yet, so it is a reused id.
            if (TemporaryOwner(name) is { } pid && (pid == Environment.ProcessId || !FileFacts.ProcessExists(pid)))
            {
                // On a read-only file system they stay; nobody reads them.
                TryDelete(Full(name));
            }
        }
    }

    /// <summary>By network, container and interface name.</summary>
    internal static int ByKey(Attachment a, Attachment b) => string.CompareOrdinal(a.Key.ToString(), b.Key.ToString());

    /// <summary>Reads all records. One that vanishes meanwhile is left out.</summary>
    internal StoreContent Load()
    {
        var attachments = new List<Attachment>();
        var unreadable = new List<UnreadableRecord>();
        foreach (var (attachment, fault) in Records())
        {
            if (attachment is not null)
            {
                attachments.Add(attachment);
            }
            else if (fault is not null)
            {
                unreadable.Add(fault);
            }
        }

        attachments.Sort(ByKey);
        var (host, hostFault) = LoadHost();
        return new StoreContent(attachments, unreadable, host, hostFault);
    }

    /// <summary>Reads record by record, each when it is asked for: a record, or why it cannot be read, or neither where it vanished.</summary>
    internal IEnumerable<(Attachment? Attachment, UnreadableRecord? Fault)> Records()
    {
        foreach (var name in Names().Order(StringComparer.Ordinal))
        {
            if (IsOfAttachment(name, out var of, out var isAside))
            {
                yield return Read(Full(name), of, isAside);
            }
        }
    }

    /// <summary>Looks at a file without reading it; null where it is not there any more.</summary>
    internal static FileFacts? Look(string path) => Attempt("look at", path, () => FileFacts.Read(path));

    internal string PathOf(string name) => Full(name);

    /// <summary>Reads the file of one attachment; neither a record nor a fault where it vanished.</summary>
    internal (Attachment? Attachment, UnreadableRecord? Fault) Read(string name) =>
        IsOfAttachment(name, out var of, out var isAside) ? Read(Full(name), of, isAside) : (null, null);

    /// <summary>Names of the files of attachments, in any order.</summary>
    internal List<string> AttachmentNames()
    {
        var names = Names();
        names.RemoveAll(name => !IsOfAttachment(name, out _, out _));
        return names;
    }

    /// <summary>Reads one record.</summary>
    /// <returns>Null when there is none that can be read.</returns>
    internal Attachment? Find(AttachmentKey key)
    {
        try
        {
            return ReadFile(RecordPath(key)) is { } content
                && StoreFormat.ReadAttachment(content) is var attachment && attachment.Key == key
                ? attachment
                : null;
        }
        catch (RecordFormatException)
        {
            return null;
        }
    }

    internal FreedSlices LoadFreed()
    {
        try
        {
            return ReadFile(FreedPath) is { } content ? StoreFormat.ReadFreed(content) : FreedSlices.Empty;
        }
        catch (RecordFormatException)
        {
            return FreedSlices.Empty;
        }
    }

    /// <summary>The networks; none where the file cannot be read.</summary>
    internal IReadOnlyList<NetworkRecord> LoadNetworks()
    {
        try
        {
            return ReadFile(NetworksPath) is { } content ? StoreFormat.ReadNetworks(content) : [];
        }
        catch (RecordFormatException)
        {
            return [];
        }
    }

    /// <summary>Deletes every file of the store's naming, and the directory if nothing else is in it.</summary>
    /// <returns>Why some of it is still there: one for each file.</returns>
    internal List<StoreException> Erase()
    {
        var faults = new List<StoreException>();
        foreach (var name in Names().Where(n => RecordName(n) is not null || TemporaryOwner(n) is not null))
        {
            TryDelete(Full(name), faults);
        }

        // Last, so that whoever waits for it and then finds it gone starts on an empty store.
        TryDelete(LockPath, faults);
        if (Names().Count == 0)
        {
            try
            {
                FileFacts.RemoveDirectory(Path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                faults.Add(Failure("remove", Path, e));
            }
        }

        return faults;
    }

    private static (Attachment? Attachment, UnreadableRecord? Fault) Read(string path, string of, bool isAside)
    {
        try
        {
            if (ReadFile(path) is not { } content)
            {
                return (null, null);
            }

            var attachment = StoreFormat.ReadAttachment(content);
            if (isAside)
            {
                return (null, new UnreadableRecord(path, of, "set aside earlier", true));
            }

            return attachment.HostInterface == of
                ? (attachment, null)
                : (null, new UnreadableRecord(path, of, $"the record is of {attachment.Key} and belongs into {attachment.HostInterface}.json", false));
        }
        catch (RecordFormatException e)
        {
            return (null, new UnreadableRecord(path, of, e.Message, isAside) { IsOfOlderVersion = e.IsOfOlderVersion });
        }
    }

    private static bool IsOfAttachment(string name, out string of, out bool isAside)
    {
        (of, isAside) = RecordName(name) ?? ("", false);
        return of is not ("" or HostName or FreedName or NetworksName);
    }

    private static (string Of, bool IsAside)? RecordName(string name)
    {
        if (name.StartsWith('.'))
        {
            return null;
        }

        if (name.EndsWith(RecordSuffix, StringComparison.Ordinal))
        {
            return (name[..^RecordSuffix.Length], false);
        }

        var aside = name.LastIndexOf(AsideSuffix, StringComparison.Ordinal);
        if (aside <= 0)
        {
            return null;
        }

        var rest = name.AsSpan(aside + AsideSuffix.Length);
        return rest.IsEmpty || (rest[0] == '.' && int.TryParse(rest[1..], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            ? (name[..aside], true)
            : null;
    }

    /// <summary>The process that writes or wrote .NAME.PID.tmp, or null for any other name.</summary>
    private static int? TemporaryOwner(string name)
    {
        if (!name.StartsWith('.'))
        {
            return null;
        }

        var parts = name.Split('.');
        return parts.Length >= 4 && parts[0].Length == 0 && parts[^1] == "tmp"
            && int.TryParse(parts[^2], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            ? pid
            : null;
    }

    private static void MakeParents(string? path)
    {
        if (path is null || FileFacts.Read(path) is not null)
        {
            return;
        }

        MakeParents(System.IO.Path.GetDirectoryName(path));
        FileFacts.TryCreateDirectory(
            path,
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
    }

    // Where a failure does not matter, an earlier one is the one to report, or the next holder of the lock sweeps.
    private static void TryDelete(string path, List<StoreException>? faults = null)
    {
        try
        {
            Delete(path);
        }
        catch (StoreException e)
        {
            faults?.Add(e);
        }
    }

    private static void Attempt(string operation, string path, Action action) => Attempt(operation, path, () =>
    {
        action();
        return true;
    });

    private static T Attempt<T>(string operation, string path, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failure(operation, path, e);
        }
    }

    internal static StoreException Failure(string operation, string path, Exception e) =>
        new($"cannot {operation} {path}: {e.Message}", e);

    private string Full(string name) => System.IO.Path.Combine(Path, name);

    private List<string> Names() => Attempt("list", Path, () =>
    {
        try
        {
            return Directory.EnumerateFileSystemEntries(Path).Select(p => System.IO.Path.GetFileName(p)!).ToList();
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    });

    internal (HostRecord? Host, UnreadableRecord? Fault) LoadHost()
    {
        try
        {
            return (ReadFile(HostPath) is { } content ? StoreFormat.ReadHost(content) : null, null);
        }
        catch (RecordFormatException e)
        {
            return (null, new UnreadableRecord(HostPath, HostName, e.Message, false));
        }
    }
}
