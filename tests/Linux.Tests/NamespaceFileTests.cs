using System.Text;

namespace CniIsolator.Linux.Tests;

public sealed class NamespaceFileTests
{
    [Fact]
    public void Its_namespace_is_that_of_the_thread_that_opened_it_and_it_is_written_anew()
    {
        // The namespace has neither name nor thread any more: the file alone keeps it.
        using var file = NetworkNamespace.RunInNew(() => NamespaceFile.TryOpen("dev"))!;
        var first = Read(file);
        Assert.Equal(3, first.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("lo:", first, StringComparison.Ordinal);
        Assert.Equal(first, Read(file));
        Assert.Equal(4, file.Read(new byte[4]));
        Assert.Equal(first, Read(file));
    }

    [Fact]
    public void What_the_kernel_does_not_have_is_null() => Assert.Null(NamespaceFile.TryOpen("nonexistent"));

    [Fact]
    public void What_is_closed_is_not_read()
    {
        var file = NamespaceFile.TryOpen("snmp")!;
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Read(new byte[16]));
    }

    [Fact]
    public void A_path_leads_to_its_namespace_or_not()
    {
        using var current = NetworkNamespace.OpenCurrent();
        Assert.True(NetworkNamespace.IsAt("/proc/self/ns/net", current.Identity));
        Assert.False(NetworkNamespace.IsAt("/proc/self/ns/net", current.Identity with { Inode = 1 }));
        Assert.False(NetworkNamespace.IsAt("/proc/self/ns/uts", current.Identity));
        Assert.False(NetworkNamespace.IsAt("/nonexistent", current.Identity));
        Assert.False(NetworkNamespace.IsAt("", current.Identity));
    }

    [Fact]
    public void As_many_files_as_allowed_may_be_open()
    {
        var limit = DescriptorLimit.Raise();
        var line = File.ReadLines("/proc/self/limits").Single(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        Assert.Equal([limit.ToString(), limit.ToString()], line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3..5]);
    }

    private static string Read(NamespaceFile file)
    {
        var buffer = new byte[8192];
        return Encoding.ASCII.GetString(buffer, 0, file.Read(buffer));
    }
}
