using System.Runtime.InteropServices;
using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]

namespace CniIsolator.Ipam.Tests;

/// <summary>The umask belongs to the whole process, so nothing runs beside these.</summary>
[CollectionDefinition("umask", DisableParallelization = true)]
public sealed class UmaskCollection;

[Collection("umask")]
public sealed partial class StoreProtectionTests : StoreTest
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [Theory]
    [InlineData(0)]
    [InlineData(0b111_111)]
    [InlineData(0b111_111_111)]
    public void Modes_hold_under_any_umask(uint mask)
    {
        var store = new AttachmentStore(Root["a/b/state/"]);
        Directory.CreateDirectory(Root["a"]);
        var previous = umask(mask);
        try
        {
            using var transaction = store.Begin(Patience);
            transaction.Write(Samples.Attachment());
            transaction.Write(Samples.Attachment("other"));
            transaction.Remove(Samples.Attachment("other").Key);
            transaction.WriteHost(Samples.Host());
        }
        finally
        {
            _ = umask(previous);
        }

        Assert.Equal(OwnerOnly | UnixFileMode.UserExecute, File.GetUnixFileMode(store.StateDir));
        Assert.False(File.GetUnixFileMode(Root["a/b"]).HasFlag(UnixFileMode.GroupWrite));
        Assert.False(File.GetUnixFileMode(Root["a/b"]).HasFlag(UnixFileMode.OtherWrite));
        var files = Directory.GetFiles(store.StateDir);
        Assert.Equal(4, files.Length);
        Assert.All(files, file => Assert.Equal(OwnerOnly, File.GetUnixFileMode(file)));
    }

    [Theory]
    [InlineData("state")]
    [InlineData("state/")]
    [InlineData("state/.")]
    public void A_symbolic_link_is_refused_as_directory(string name)
    {
        Directory.CreateDirectory(Root["real"]);
        File.CreateSymbolicLink(Root["state"], Root["real"]);
        AssertRefused(new AttachmentStore(Root[name]), "symbolic link");
        Assert.Empty(Directory.EnumerateFileSystemEntries(Root["real"]));
    }

    [Fact]
    public void A_dangling_symbolic_link_is_refused_as_directory()
    {
        File.CreateSymbolicLink(Root["state"], Root["nowhere"]);
        AssertRefused(Store, "symbolic link");
        Assert.False(Path.Exists(Root["nowhere"]));
    }

    [Fact]
    public void A_file_is_refused_as_directory()
    {
        File.WriteAllText(Store.StateDir, "");
        AssertRefused(Store, "not a directory");
    }

    [Fact]
    public void A_file_is_refused_as_parent()
    {
        File.WriteAllText(Store.StateDir, "");
        AssertRefused(new AttachmentStore(Root["state/below"]), "not a directory");
    }

    [Theory]
    [InlineData(UnixFileMode.GroupWrite, "0720")]
    [InlineData(UnixFileMode.OtherWrite, "0702")]
    [InlineData(UnixFileMode.OtherWrite | UnixFileMode.StickyBit, "1702")]
    public void A_directory_that_others_can_write_is_refused(UnixFileMode extra, string shown)
    {
        Directory.CreateDirectory(Store.StateDir);
        File.SetUnixFileMode(Store.StateDir, OwnerOnly | UnixFileMode.UserExecute | extra);
        AssertRefused(Store, shown);
    }

    [RootFact]
    public void A_directory_of_somebody_else_is_refused()
    {
        Directory.CreateDirectory(Store.StateDir);
        Assert.Equal(0, Command.Run("chown", "65534", Store.StateDir));
        AssertRefused(Store, "belongs to user 65534");
    }

    [Fact]
    public void A_symbolic_link_is_refused_as_lock()
    {
        Write();
        File.Delete(InStore("lock"));
        File.CreateSymbolicLink(InStore("lock"), Root["target"]);
        var e = Assert.Throws<StoreException>(() => Store.Begin(TimeSpan.Zero));
        Assert.Contains(InStore("lock"), e.Message, StringComparison.Ordinal);
        Assert.Contains("symbolic link", e.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Root["target"]));
    }

    [Fact]
    public void A_directory_is_refused_as_lock()
    {
        Write();
        File.Delete(InStore("lock"));
        Directory.CreateDirectory(InStore("lock"));
        Assert.Contains(InStore("lock"), Assert.Throws<StoreException>(() => Store.Begin(TimeSpan.Zero)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_symbolic_link_planted_as_temporary_file_is_not_written_through()
    {
        Write();
        var a = Samples.Attachment();
        File.WriteAllText(Root["victim"], "untouched");
        using (var transaction = Store.Begin(Patience))
        {
            // After the sweep, or it would be gone.
            File.CreateSymbolicLink(InStore($".{a.HostInterface}.json.{Environment.ProcessId}.tmp"), Root["victim"]);
            Assert.Throws<StoreException>(() => transaction.Write(a));
            Assert.Empty(transaction.Attachments);
            transaction.Write(a);
        }

        Assert.Equal("untouched", File.ReadAllText(Root["victim"]));
        Assert.Equal(a, Store.Find(a.Key));
    }

    private static void AssertRefused(AttachmentStore store, string reason)
    {
        foreach (var use in new Action[] { () => store.Begin(TimeSpan.Zero), () => store.ReadAll(), () => store.Find(Samples.Attachment().Key) })
        {
            var e = Assert.Throws<StoreException>(use);
            Assert.Contains(store.StateDir, e.Message, StringComparison.Ordinal);
            Assert.Contains(reason, e.Message, StringComparison.OrdinalIgnoreCase);
        }
    }

    [LibraryImport("libc")]
    private static partial uint umask(uint mask);
}
