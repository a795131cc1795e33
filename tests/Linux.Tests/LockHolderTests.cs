namespace CniIsolator.Linux.Tests;

public sealed class LockHolderTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("pmit-lock-");

    private string LockPath => Path.Combine(_directory.FullName, "lock");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void A_held_lock_names_its_process_and_a_free_one_nobody()
    {
        Assert.Null(LockHolder.Find(LockPath));
        using (FileLock.TryAcquire(LockPath, TimeSpan.Zero))
        {
            Assert.Equal(Environment.ProcessId, LockHolder.Find(LockPath));
            Assert.StartsWith($"is locked by process {Environment.ProcessId} (", LockHolder.Describe(LockPath), StringComparison.Ordinal);
        }

        Assert.Null(LockHolder.Find(LockPath));
        Assert.Equal("is locked by another process", LockHolder.Describe(LockPath));
    }

    [Theory]
    [InlineData("1: FLOCK  ADVISORY  WRITE 4711 00:1b:42 0 EOF", 4711)]
    [InlineData("12: FLOCK  ADVISORY  READ 4711 00:1b:42 0 EOF", 4711)]
    [InlineData("1: FLOCK  ADVISORY  WRITE 4711 00:1b:43 0 EOF", null)]
    [InlineData("1: FLOCK  ADVISORY  WRITE 4711 08:1b:42 0 EOF", null)]
    [InlineData("1: POSIX  ADVISORY  WRITE 4711 00:1b:42 0 EOF", null)]
    [InlineData("1: -> FLOCK  ADVISORY  WRITE 4711 00:1b:42 0 EOF", null)]
    [InlineData("1: FLOCK  ADVISORY  WRITE 0 00:1b:42 0 EOF", null)]
    [InlineData("1: FLOCK  ADVISORY  WRITE -1 00:1b:42 0 EOF", null)]
    [InlineData("", null)]
    [InlineData("1: FLOCK", null)]
    public void Lines_of_the_kernel_s_table(string line, int? holder) =>
        Assert.Equal(holder, LockHolder.Find([line], new FileFacts(0x8180, 0, 0x1b, 42, 0, 0)));
}
