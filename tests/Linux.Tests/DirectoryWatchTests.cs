namespace CniIsolator.Linux.Tests;

public sealed class DirectoryWatchTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("watch-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Every_kind_of_change_is_told_once()
    {
        var file = Path.Combine(_directory, "file");
        File.WriteAllText(file, "a");
        using var watch = DirectoryWatch.TryOpen(_directory)!;
        Assert.False(watch.HasChanged());
        foreach (var change in (Action[])
                 [
                     () => File.WriteAllText(file, "b"),
                     () => File.AppendAllText(file, "c"),
                     () => File.SetUnixFileMode(file, UnixFileMode.UserRead),
                     () => File.Move(file, file + "2"),
                     () => File.Move(file + "2", file, overwrite: true),
                     () => File.Delete(file),
                     () => File.SetUnixFileMode(_directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute),
                     () => Directory.CreateDirectory(file),
                 ])
        {
            change();
            Assert.True(watch.HasChanged());
            Assert.False(watch.HasChanged());
        }
    }

    [Fact]
    public void Reading_is_no_change()
    {
        var file = Path.Combine(_directory, "file");
        File.WriteAllText(file, "a");
        using var watch = DirectoryWatch.TryOpen(_directory)!;
        Assert.Equal("a", File.ReadAllText(file));
        Assert.Single(Directory.GetFiles(_directory));
        Assert.False(watch.HasChanged());
    }

    [Fact]
    public void More_changes_than_the_kernel_keeps_are_a_change()
    {
        using var watch = DirectoryWatch.TryOpen(_directory)!;
        for (var i = 0; i < 20_000; i++)
        {
            File.Delete(Path.Combine(_directory, $"{i % 7}"));
            File.Create(Path.Combine(_directory, $"{i % 7}")).Dispose();
        }

        Assert.True(watch.HasChanged());
        Assert.False(watch.HasChanged());
    }

    [Fact]
    public void Only_a_directory_can_be_watched()
    {
        var file = Path.Combine(_directory, "file");
        File.WriteAllText(file, "");
        Assert.Null(DirectoryWatch.TryOpen(file));
        Assert.Null(DirectoryWatch.TryOpen(file + "none"));
        File.CreateSymbolicLink(file + "link", _directory);
        Assert.Null(DirectoryWatch.TryOpen(file + "link"));
    }
}
