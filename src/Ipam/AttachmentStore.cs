using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>
/// The records of all attachments, one JSON file each in one directory. Changes are made in transactions, of which
/// there is one at a time on the host; reading needs none, as each file is replaced in one step.
/// </summary>
public sealed class AttachmentStore
{
    /// <summary>Where the store is unless somebody says otherwise: a tmpfs, since everything that records describe ends at a reboot.</summary>
    public const string DefaultStateDir = "/run/cni-portmap-isolate";

    private readonly StoreDirectory _directory;

    /// <param name="stateDir">The directory; made by the first transaction, not by reading.</param>
    public AttachmentStore(string stateDir) => _directory = new StoreDirectory(stateDir);

    /// <summary>The directory as an absolute path.</summary>
    public string StateDir => _directory.Path;

    /// <summary>Locks the store and clears up after writers that died. Records are read when they are asked for.</summary>
    /// <param name="timeout">How long to wait for another transaction; zero tries once, <see cref="Timeout.InfiniteTimeSpan"/> waits for ever.</param>
    /// <param name="within">A lock that the caller holds already; it counts where it is one of the directory, since no lock file can be made.</param>
    /// <exception cref="StoreBusyException">Another transaction lasted for longer than that.</exception>
    /// <exception cref="StoreException">The directory cannot be made, trusted, locked or read.</exception>
    public StoreTransaction Begin(TimeSpan timeout, FileLock? within = null)
    {
        if (within is { IsOfDirectory: true })
        {
            // It stands for the store's own lock as well, which would wait for it for ever.
            return new StoreTransaction(_directory, null);
        }

        var held = Lock(timeout);
        try
        {
            _directory.RemoveStaleTemporaries();
            return new StoreTransaction(_directory, held);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Finds out whether a record could be written, by a file that is removed again: in the directory, or where it will be made. Nothing else
    /// changes, and no lock is needed.
    /// </summary>
    /// <exception cref="StoreException">The directory cannot be trusted, or nothing can be written there.</exception>
    public void Probe() => StoreProbe.Run(_directory);

    /// <summary>Reads everything without the lock: each record is whole, but they may be of different moments.</summary>
    /// <returns>An empty content where the directory does not exist.</returns>
    /// <exception cref="StoreException">The directory cannot be trusted or read.</exception>
    public StoreContent ReadAll() => Exists() ? _directory.Load() : new StoreContent([], [], null, null);

    /// <summary>Reads one record without the lock.</summary>
    /// <returns>The record, or null when there is none that can be read.</returns>
    /// <exception cref="StoreException">The directory or the file cannot be trusted or read.</exception>
    public Attachment? Find(AttachmentKey key) => Exists() ? _directory.Find(key) : null;

    /// <summary>Reads the host's record without the lock; null when there is none that can be read.</summary>
    /// <exception cref="StoreException">The directory or the file cannot be trusted or read.</exception>
    public HostRecord? FindHost() => Exists() ? _directory.LoadHost().Host : null;

    private FileLock Lock(TimeSpan timeout)
    {
        for (var retries = 3; ; retries--)
        {
            _directory.Prepare();
            try
            {
                return FileLock.TryAcquire(_directory.LockPath, timeout) ?? throw new StoreBusyException(
                    $"{_directory.LockPath} {LockHolder.Describe(_directory.LockPath)}; gave up after {timeout.TotalSeconds:0.###} s");
            }
            catch (DirectoryNotFoundException) when (retries > 0)
            {
                // The store was erased while we waited for its lock: start a new one.
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw StoreDirectory.Failure("lock", _directory.LockPath, e);
            }
        }
    }

    // Root's records are as good as ours to a reader.
    private bool Exists() => _directory.IsUsable(0, FileFacts.CurrentUser);
}
