using System.Diagnostics;

namespace CniIsolator.Linux.Tests;

/// <summary>Links in a namespace of the test's own, which goes with them.</summary>
public sealed class LinkSettingsTests : IDisposable
{
    private readonly NetworkNamespace _private = NetworkNamespaceTests.OpenOther();

    public void Dispose() => _private.Dispose();

    [Fact]
    public void Veth_claims_ten_gigabit() => _private.Run(() =>
    {
        Ip("link add pmit-speed type veth peer name pmiu-speed");
        Assert.Equal(10_000_000_000UL, LinkSettings.ReadSpeed("pmit-speed"));
    });

    [Fact]
    public void Link_of_another_namespace_is_not_seen()
    {
        _private.Run(() => Ip("link add pmit-elsewhere type veth peer name pmiu-elsewhere"));
        Assert.Null(LinkSettings.ReadSpeed("pmit-elsewhere"));
    }

    [Fact]
    public void Bridge_without_ports_knows_no_speed() => _private.Run(() =>
    {
        Ip("link add pmit-bridge type bridge");
        Assert.Null(LinkSettings.ReadSpeed("pmit-bridge"));
    });

    [Theory]
    [InlineData("lo")] // Its driver has no such operation.
    [InlineData("pmit-absent")]
    [InlineData("")]
    [InlineData("lo\0")]
    [InlineData("a-name-of-16-byt")]
    [InlineData("a-name-of-many-more-bytes-than-16")]
    [InlineData("äöüäöüäö")]
    public void Speed_is_unknown_without_an_answer(string name) => _private.Run(() => Assert.Null(LinkSettings.ReadSpeed(name)));

    [Fact]
    public void Checksums_are_left_to_others_until_that_is_switched_off() => _private.Run(() =>
    {
        Ip("link add pmit-sum type veth peer name pmiu-sum");
        Assert.True(LinkSettings.LeavesChecksums("pmit-sum"));
        LinkSettings.SwitchOffTransmitChecksums("pmit-sum");
        Assert.False(LinkSettings.LeavesChecksums("pmit-sum"));
        Assert.True(LinkSettings.LeavesChecksums("pmiu-sum"));
        LinkSettings.SwitchOffTransmitChecksums("pmit-sum");
        Assert.False(LinkSettings.LeavesChecksums("pmit-sum"));
    });

    [Theory]
    [InlineData("pmit-absent")]
    [InlineData("a-name-of-many-more-bytes-than-16")]
    public void Checksums_of_no_interface_cannot_be_switched_off(string name) => _private.Run(() =>
    {
        Assert.False(LinkSettings.LeavesChecksums(name));
        var refused = Assert.Throws<LinuxException>(() => LinkSettings.SwitchOffTransmitChecksums(name));
        Assert.Contains(name, refused.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void Sockets_are_closed() => _private.Run(() =>
    {
        // Descriptors of other threads come and go; a leak of this many would stand out.
        const int Attempts = 500;
        var before = Directory.GetFileSystemEntries("/proc/self/fd").Length;
        for (var i = 0; i < Attempts; i++)
        {
            LinkSettings.ReadSpeed("lo");
        }

        Assert.True(Directory.GetFileSystemEntries("/proc/self/fd").Length < before + (Attempts / 2));
    });

    /// <summary>Runs ip(8) in the namespace of the calling thread, which a child inherits.</summary>
    private static void Ip(string arguments)
    {
        using var ip = Process.Start("ip", arguments);
        ip.WaitForExit();
        Assert.Equal(0, ip.ExitCode);
    }
}
