using System.Diagnostics;

namespace CniIsolator.Linux.Tests;

public sealed class NetworkNamespaceTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("pmit-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Two_opens_of_one_namespace_have_one_identity_and_two_namespaces_have_two()
    {
        using var current = NetworkNamespace.OpenCurrent();
        using var again = NetworkNamespace.Open("/proc/self/ns/net");
        using var other = OpenOther();
        Assert.Equal(current.Identity, again.Identity);
        Assert.NotEqual(current.Identity, other.Identity);
        Assert.Equal(current.Identity, NetworkNamespace.TryIdentify("/proc/self/ns/net"));
        Assert.Equal($"net:[{other.Identity.Inode}]", other.Run(() => File.ResolveLinkTarget("/proc/thread-self/ns/net", false)!.Name));
    }

    [Fact]
    public void Missing_path_is_an_error_with_its_errno()
    {
        var path = Path.Combine(_directory, "absent");
        var e = Assert.Throws<LinuxException>(() => NetworkNamespace.Open(path));
        Assert.Equal((Errno.NoEntry, $"open {path}"), (e.Errno, e.Operation));
        Assert.Null(NetworkNamespace.TryIdentify(path));
    }

    [Theory]
    [InlineData("/proc/self/ns/user")]
    [InlineData("/proc/self/ns/mnt")]
    [InlineData("/proc/self/status")]
    [InlineData("/proc/self/ns")]
    [InlineData("/dev/null")]
    public void Something_else_is_not_a_network_namespace(string path)
    {
        Assert.Equal(path, Assert.Throws<NotANetworkNamespaceException>(() => NetworkNamespace.Open(path)).Path);
        Assert.Null(NetworkNamespace.TryIdentify(path));
    }

    [Fact]
    public void File_is_not_a_network_namespace()
    {
        var path = Path.Combine(_directory, "file");
        File.WriteAllText(path, "");
        Assert.Throws<NotANetworkNamespaceException>(() => NetworkNamespace.Open(path));
    }

    [Fact]
    public void Fifo_does_not_block()
    {
        var path = Path.Combine(_directory, "fifo");
        using (var make = Process.Start("mkfifo", path))
        {
            make.WaitForExit();
            Assert.Equal(0, make.ExitCode);
        }

        Assert.Throws<NotANetworkNamespaceException>(() => NetworkNamespace.Open(path));
    }

    [Fact]
    public void Failed_open_leaves_no_descriptor()
    {
        // Descriptors of other threads come and go; a leak of this many would stand out.
        const int Attempts = 500;
        var before = Directory.GetFileSystemEntries("/proc/self/fd").Length;
        for (var i = 0; i < Attempts; i++)
        {
            Assert.Throws<NotANetworkNamespaceException>(() => NetworkNamespace.Open("/proc/self/ns/user"));
        }

        Assert.True(Directory.GetFileSystemEntries("/proc/self/fd").Length < before + (Attempts / 2));
    }

    [Fact]
    public void Run_enters_the_namespace_and_the_caller_stays_in_its_own()
    {
        using var current = NetworkNamespace.OpenCurrent();
        using var other = OpenOther();

        using var inside = other.Run(NetworkNamespace.OpenCurrent);
        Assert.Equal(other.Identity, inside.Identity);

        using var after = NetworkNamespace.OpenCurrent();
        Assert.Equal(current.Identity, after.Identity);
    }

    [Fact]
    public void Run_propagates_exceptions_and_results()
    {
        using var other = OpenOther();
        Assert.Equal("why", Assert.Throws<InvalidDataException>(() => other.Run(() => throw new InvalidDataException("why"))).Message);
        Assert.Equal(42, other.Run(() => 42));
        var ran = false;
        other.Run(() => { ran = true; });
        Assert.True(ran);
    }

    [Fact]
    public void Run_after_disposal_enters_nothing()
    {
        var other = OpenOther();
        other.Dispose();
        Assert.Throws<ObjectDisposedException>(() => other.Run(() => 1));
    }

    /// <summary>A namespace without name or process, which lives as long as the descriptor.</summary>
    internal static NetworkNamespace OpenOther()
    {
        using var process = Process.Start(new ProcessStartInfo("unshare", ["-n", "sh", "-c", "echo ready; read end"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            Assert.Equal("ready", process.StandardOutput.ReadLine());
            return NetworkNamespace.Open($"/proc/{process.Id}/ns/net");
        }
        finally
        {
            process.StandardInput.Close();
            process.WaitForExit();
        }
    }
}
