using System.Net.Sockets;
using CniIsolator.Exporter.CommandLine;

namespace CniIsolator.Exporter.Tests;

public sealed class ListenAddressTests
{
    [Theory]
    [InlineData("127.0.0.1:9478", "127.0.0.1:9478")]
    [InlineData("0.0.0.0:1", "0.0.0.0:1")]
    [InlineData("[::1]:65535", "[::1]:65535")]
    [InlineData("[::]:80", "[::]:80")]
    [InlineData("unix:/run/x.sock", "/run/x.sock")]
    public void Accepted(string text, string expected)
    {
        var address = ListenAddress.TryParse(text, out var fault);
        Assert.Equal("", fault);
        Assert.Equal(expected, address!.EndPoint.ToString());
        Assert.Equal(text, address.ToString());
        Assert.Equal(text.StartsWith("unix", StringComparison.Ordinal), address.EndPoint is UnixDomainSocketEndPoint);
    }

    [Theory]
    [InlineData("")]
    [InlineData("9478")]
    [InlineData(":9478")]
    [InlineData("localhost:9478")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:0")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:+80")]
    [InlineData("127.1:80")]
    [InlineData("::1:80")]
    [InlineData("[::1]")]
    [InlineData("[127.0.0.1]:80")]
    [InlineData("[]:80")]
    [InlineData("unix:")]
    [InlineData("unix:x.sock")]
    [InlineData("unix:/a\0b")]
    [InlineData("http://127.0.0.1:80")]
    public void Refused(string text)
    {
        Assert.Null(ListenAddress.TryParse(text, out var fault));
        Assert.NotEqual("", fault);
    }

    [Fact]
    public void A_path_is_at_most_107_bytes()
    {
        Assert.NotNull(ListenAddress.TryParse("unix:/" + new string('x', 106), out _));
        Assert.Null(ListenAddress.TryParse("unix:/" + new string('ä', 54), out var fault));
        Assert.Contains("107", fault, StringComparison.Ordinal);
    }
}
