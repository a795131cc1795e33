namespace CniIsolator.Ipam.Tests;

public sealed class FullDiskTests : IDisposable
{
    private readonly TemporaryDirectory _root = new();
    private SmallFilesystem? _filesystem;

    public void Dispose()
    {
        _filesystem?.Dispose();
        _root.Dispose();
    }

    [TmpfsFact]
    public void A_full_disk_fails_the_write_keeps_the_old_record_and_allows_removal()
    {
        var store = Mounted();
        var a = Samples.Attachment("a");
        var b = Samples.Attachment("b", PortRange.Parse("33792-34815"), 2);
        using (var transaction = store.Begin(StoreTest.Patience))
        {
            transaction.Write(a);
            transaction.Write(b);
            var before = Files(store);
            FillData();
            var e = Assert.Throws<StoreException>(() => transaction.Write(a.WithMtu(9000)));
            Assert.Contains($"{a.HostInterface}.json", e.Message, StringComparison.Ordinal);
            Assert.Contains("write", e.Message, StringComparison.Ordinal);
            Assert.IsAssignableFrom<IOException>(e.InnerException);
            Assert.Throws<StoreException>(() => transaction.WriteHost(Samples.Host()));
            Assert.Throws<StoreException>(() => transaction.Write(Samples.Attachment("c", PortRange.Parse("0-15"), 3)));
            Assert.Equal(before, Files(store));
            Assert.Empty(Directory.GetFiles(store.StateDir, "*.tmp"));
            Assert.Equal([a, b], transaction.Attachments);
            Assert.Null(transaction.Host);
        }

        Assert.Equal([a, b], store.ReadAll().Attachments);
        using (var transaction = store.Begin(StoreTest.Patience))
        {
            Assert.True(transaction.Remove(a.Key));
            FillData();
            Assert.True(transaction.Remove(b.Key));
            Assert.Equal<PortRange>([a.Ports.Slice, b.Ports.Slice], transaction.Freed.Ranges.ToArray());
        }

        Assert.Empty(store.ReadAll().Attachments);
    }

    [TmpfsFact]
    public void A_disk_without_inodes_fails_the_write_and_allows_removal()
    {
        var store = Mounted();
        var a = Samples.Attachment("a");
        using var transaction = store.Begin(StoreTest.Patience);
        transaction.Write(a);
        FillInodes();
        Assert.Throws<StoreException>(() => transaction.Write(a.WithMtu(9000)));
        Assert.Equal(a, store.Find(a.Key));
        Assert.True(transaction.Remove(a.Key));
        Assert.Empty(store.ReadAll().Attachments);
    }

    [TmpfsFact]
    public void A_full_disk_fails_to_make_the_store_with_the_path()
    {
        var store = Mounted();
        FillInodes();
        var e = Assert.Throws<StoreException>(() => store.Begin(TimeSpan.Zero));
        Assert.Contains(store.StateDir, e.Message, StringComparison.Ordinal);
    }

    private AttachmentStore Mounted()
    {
        Directory.CreateDirectory(_root["mnt"]);
        _filesystem = SmallFilesystem.TryMount(_root["mnt"]);
        Assert.NotNull(_filesystem);
        return new AttachmentStore(_root["mnt/state"]);
    }

    private static string Files(AttachmentStore store) => string.Join(
        '\n', Directory.GetFiles(store.StateDir, "*.json").Order(StringComparer.Ordinal).Select(path => path + "\n" + File.ReadAllText(path)));

    private void FillData()
    {
        using var filler = new FileStream(_root["mnt/filler"], FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        FillUntilRefused(() => filler.Write(new byte[4096]));
    }

    private void FillInodes()
    {
        var count = 0;
        FillUntilRefused(() => File.Create(_root[$"mnt/filler{count++}"]).Dispose());
    }

    private static void FillUntilRefused(Action more)
    {
        try
        {
            while (true)
            {
                more();
            }
        }
        catch (IOException e)
        {
            Assert.Contains("No space left", e.Message, StringComparison.Ordinal);
        }
    }
}
