using CniIsolator.Linux;

namespace CniIsolator.Ipam.Tests;

/// <summary>On a full or read-only file system a store is locked and read as ever, and what cannot be removed is no error where that is asked for.</summary>
public sealed class UnwritableStoreTests : IDisposable
{
    private readonly TemporaryDirectory _root = new();
    private readonly SmallFilesystem? _filesystem;
    private readonly AttachmentStore _store;

    public UnwritableStoreTests()
    {
        Directory.CreateDirectory(_root["mnt"]);
        _filesystem = SmallFilesystem.TryMount(_root["mnt"]);
        _store = new AttachmentStore(_root["mnt/state"]);
    }

    public void Dispose()
    {
        _filesystem?.Dispose();
        _root.Dispose();
    }

    [TmpfsFact]
    public void A_read_only_store_is_read_under_its_lock_and_says_what_stays()
    {
        var a = Samples.Attachment("a");
        using (var transaction = _store.Begin(StoreTest.Patience))
        {
            transaction.Write(a);
            transaction.WriteHost(Samples.Host());
        }

        // Of a writer that was killed; no process has this number.
        var stale = InStore($".{a.HostInterface}.json.{int.MaxValue}.tmp");
        File.WriteAllText(stale, "");
        File.WriteAllText(InStore("pmi0.json"), "no JSON");
        _filesystem!.MakeReadOnly();
        using (var transaction = _store.Begin(StoreTest.Patience))
        {
            Assert.Throws<StoreBusyException>(() => _store.Begin(TimeSpan.Zero));
            Assert.False(transaction.TryWrite(a with { Host = a.Host with { Mtu = 9000 } }));
            Assert.False(transaction.TryWriteHost(Samples.Host()));
            Says(transaction.TryRemove(a.Key), $"{a.HostInterface}.json");
            Says(transaction.TryRemoveUnreadable("pmi0"), "pmi0.json");
            Says(transaction.TryRemoveHost(), "host.json");
            Assert.Null(transaction.TryRemove(Samples.Attachment("b").Key));
            Assert.Equal([a], transaction.Attachments);
            Assert.NotNull(transaction.Host);
            var faults = transaction.TryEraseStore();
            Assert.All(faults, fault => Says(fault, _store.StateDir));
            Assert.Equal(
                Directory.GetFiles(_store.StateDir).Order(StringComparer.Ordinal),
                faults.Select(fault => fault.Message.Split(' ', ':')[2]).Order(StringComparer.Ordinal));
        }

        Assert.Equal([a], _store.ReadAll().Attachments);
        Says(Assert.Throws<StoreException>(_store.Probe), _store.StateDir);
        using (var transaction = _store.Begin(StoreTest.Patience))
        {
            Says(Assert.Throws<StoreException>(transaction.EraseStore), _store.StateDir);
        }
    }

    [TmpfsFact]
    public void Without_a_lock_file_the_directory_is_locked()
    {
        using (var transaction = _store.Begin(StoreTest.Patience))
        {
            transaction.Write(Samples.Attachment());
        }

        File.Delete(InStore("lock"));
        _filesystem!.MakeReadOnly();
        using (var transaction = _store.Begin(StoreTest.Patience))
        {
            Assert.Single(transaction.Attachments);
            Assert.Throws<StoreBusyException>(() => _store.Begin(TimeSpan.Zero));
            Assert.Equal(1, Command.Run("flock", "-n", _store.StateDir, "true"));
        }

        Assert.Equal(0, Command.Run("flock", "-n", _store.StateDir, "true"));

        // One lock of the directory stands for all the files in it.
        using var other = FileLock.TryAcquire(InStore("host.lock"), TimeSpan.Zero);
        Assert.True(other!.IsOfDirectory);
        using (var within = _store.Begin(TimeSpan.Zero, other))
        {
            Assert.Single(within.Attachments);
        }

        Assert.Throws<StoreBusyException>(() => _store.Begin(TimeSpan.Zero));
    }

    [TmpfsFact]
    public async Task Who_has_the_directory_s_lock_keeps_it_from_those_who_could_make_the_file_by_now()
    {
        Directory.CreateDirectory(_store.StateDir, (UnixFileMode)0b111_000_000);
        var fillers = FillInodes();
        var first = _store.Begin(StoreTest.Patience);
        Assert.False(File.Exists(InStore("lock")));
        fillers.ForEach(File.Delete);
        Assert.Throws<StoreBusyException>(() => _store.Begin(TimeSpan.Zero));
        var waiting = Task.Run(() => _store.Begin(StoreTest.Patience));
        first.Write(Samples.Attachment());
        Assert.False(waiting.IsCompleted);
        first.Dispose();
        using var second = await waiting.WaitAsync(StoreTest.Patience);
        Assert.True(File.Exists(InStore("lock")));
        Assert.Single(second.Attachments);
        Assert.Equal(1, Command.Run("flock", "-n", InStore("lock"), "true"));
    }

    [TmpfsFact]
    public void A_probe_tells_whether_there_is_room_and_leaves_nothing()
    {
        _store.Probe();
        Assert.Empty(Directory.GetFileSystemEntries(_root["mnt"]));
        new AttachmentStore(_root["mnt/a/b/c"]).Probe();
        Assert.Empty(Directory.GetFileSystemEntries(_root["mnt"]));
        var fillers = FillInodes();
        Says(Assert.Throws<StoreException>(_store.Probe), _store.StateDir, "No space left");
        fillers.ForEach(File.Delete);
        using (_store.Begin(StoreTest.Patience))
        {
        }

        _store.Probe();
        Assert.Equal([InStore("lock")], Directory.GetFileSystemEntries(_store.StateDir));
        using (var filler = File.Create(_root["mnt/filler"]))
        {
            // The file system has 64 KiB.
            Assert.Throws<IOException>(() => RandomAccess.Write(filler.SafeFileHandle, new byte[1 << 17], 0));
        }

        Says(Assert.Throws<StoreException>(_store.Probe), _store.StateDir, "No space left");
        Assert.Equal([InStore("lock")], Directory.GetFileSystemEntries(_store.StateDir));
        File.SetUnixFileMode(_store.StateDir, (UnixFileMode)0b111_111_111);
        Says(Assert.Throws<StoreException>(_store.Probe), "writable by others");
    }

    private string InStore(string name) => Path.Combine(_store.StateDir, name);

    private List<string> FillInodes()
    {
        var fillers = new List<string>();
        Assert.Throws<IOException>((Action)Fill);
        return fillers;

        void Fill()
        {
            while (true)
            {
                var path = _root[$"mnt/filler{fillers.Count}"];
                File.Create(path).Dispose();
                fillers.Add(path);
            }
        }
    }

    private static void Says(StoreException? fault, params string[] parts)
    {
        Assert.NotNull(fault);
        Assert.All(parts, part => Assert.Contains(part, fault.Message, StringComparison.Ordinal));
    }
}
