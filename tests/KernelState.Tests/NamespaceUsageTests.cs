using CniIsolator.Linux;

namespace CniIsolator.KernelState.Tests;

public sealed class NamespaceUsageTests
{
    [Theory]
    [InlineData("/run/netns/c1", "/run/netns/c1")]
    [InlineData("/run/a\\040b/c\\134d", "/run/a b/c\\d")]
    [InlineData("/x\\011", "/x\t")]
    public void Paths_of_mountinfo_are_read_as_the_kernel_writes_them(string written, string path) =>
        Assert.Equal(path, NamespaceUsage.Unescape(written));

    [Fact]
    public void This_process_s_own_namespace_is_inhabited()
    {
        using var own = NetworkNamespace.OpenCurrent();
        Assert.Contains(own.Identity, NamespaceUsage.ReadInhabited());
    }
}
