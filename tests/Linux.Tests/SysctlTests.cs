namespace CniIsolator.Linux.Tests;

/// <summary>All writes go to a namespace of the test's own.</summary>
public sealed class SysctlTests : IDisposable
{
    private const string Name = "net/ipv4/conf/lo/rp_filter";
    private readonly NetworkNamespace _private = NetworkNamespaceTests.OpenOther();

    public void Dispose() => _private.Dispose();

    [Fact]
    public void Written_value_reads_back_in_its_namespace() => _private.Run(() =>
    {
        Assert.True(Sysctl.Write(Name, "2"));
        Assert.Equal("2", Sysctl.Read(Name));
        Assert.True(Sysctl.Write("net/ipv4/ip_local_port_range", "31000 31999"));
        Assert.Equal("31000\t31999", Sysctl.Read("net/ipv4/ip_local_port_range"));
    });

    [Theory]
    [InlineData("net/ipv4/conf/absent/rp_filter")]
    [InlineData("net/ipv4/ip_forward/below")]
    public void Missing_parameter_is_told_apart_from_failure(string name) => _private.Run(() =>
    {
        Assert.Null(Sysctl.Read(name));
        Assert.False(Sysctl.Write(name, "1"));
    });

    [Fact]
    public void Refused_value_is_an_error() => _private.Run(() =>
    {
        var e = Assert.Throws<LinuxException>(() => Sysctl.Write(Name, "text"));
        Assert.Equal(Errno.Invalid, e.Errno);
        Assert.Contains(Name, e.Operation, StringComparison.Ordinal);
    });

    [Fact]
    public void Directory_is_an_error() => Assert.Throws<LinuxException>(() => Sysctl.Read("net/ipv4"));
}
