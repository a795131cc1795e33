namespace CniIsolator.Cni.Tests;

public sealed class StandardStreamsTests
{
    [Fact]
    public void Opening_does_not_fail_under_a_test_runner()
    {
        // Not disposed: the descriptors are the process's own.
        Assert.True(StandardStreams.OpenInput().CanRead);
        Assert.True(StandardStreams.OpenOutput().CanWrite);
    }
}
