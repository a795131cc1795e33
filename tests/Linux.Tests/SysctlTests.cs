using System.Diagnostics;

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
    public void One_of_an_interface_that_comes_and_goes_is_there_or_not() => _private.Run(() =>
    {
        const string OfInterface = "net/ipv4/conf/pmis0/rp_filter";
        using var ip = Process.Start(new ProcessStartInfo("ip", ["-batch", "-"]) { RedirectStandardInput = true })!;
        for (var i = 0; i < 60; i++)
        {
            ip.StandardInput.WriteLine("link add pmis0 type veth peer name pmis1\nlink del pmis0");
        }

        ip.StandardInput.Close();
        var (there, gone) = (0, 0);
        while (!ip.HasExited)
        {
            _ = Sysctl.Read(OfInterface) is null ? gone++ : there++;
            _ = Sysctl.Write(OfInterface, "0") ? there++ : gone++;
        }

        Assert.Equal(0, ip.ExitCode);
        Assert.True(there > 0 && gone > 0, $"there {there} times, gone {gone} times");
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
