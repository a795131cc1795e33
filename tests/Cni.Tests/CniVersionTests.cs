namespace CniIsolator.Cni.Tests;

public sealed class CniVersionTests
{
    [Theory]
    [InlineData("0.1.0", "")]
    [InlineData("0.2.0", "")]
    [InlineData("0.3.0", "lists ipversion")]
    [InlineData("0.3.1", "lists ipversion")]
    [InlineData("0.4.0", "lists ipversion check")]
    [InlineData("1.0.0", "lists check")]
    [InlineData("1.1.0", "lists check gc status mtu")]
    public void Features_by_version(string text, string features)
    {
        var version = CniVersion.Find(text)!;
        (bool Has, string Name)[] found =
        [
            (version.HasInterfaceList, "lists"), (version.HasIpVersion, "ipversion"), (version.SupportsCheck, "check"),
            (version.SupportsGarbageCollection, "gc"), (version.SupportsStatus, "status"), (version.HasLinkDetails, "mtu"),
        ];
        Assert.Equal(features, string.Join(' ', found.Where(f => f.Has).Select(f => f.Name)));
    }

    [Fact]
    public void There_are_seven() =>
        Assert.Equal(["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"], CniVersion.All.Select(v => v.ToString()));

    [Theory]
    [InlineData("1.1")]
    [InlineData("1.1.0 ")]
    [InlineData("")]
    [InlineData("1.2.0")]
    public void Others_are_none(string text) => Assert.Null(CniVersion.Find(text));

    [Theory]
    [InlineData("a.b.c")]
    [InlineData("1.0.0.0")]
    [InlineData("-1.0.0")]
    [InlineData("99999999999.0.0")]
    public void A_gated_command_cannot_order_what_is_no_number(string text) => Assert.Equal(
        CniErrorCode.DecodingFailure,
        Assert.Throws<CniException>(() => CniVersion.Resolve(text, CniCommand.Check)).Code);
}
