using CniIsolator.Cni;
using CniIsolator.KernelState;

namespace CniIsolator.Plugin.Tests;

/// <summary>Each fault has its CNI code.</summary>
public sealed class ErrorCodesTests
{
    [Theory]
    [InlineData(IsolationFault.InvalidConfiguration, 7)]
    [InlineData(IsolationFault.UnknownContainer, 3)]
    [InlineData(IsolationFault.TryAgainLater, 11)]
    [InlineData(IsolationFault.PortsExhausted, 100)]
    [InlineData(IsolationFault.PortTaken, 101)]
    [InlineData(IsolationFault.InterfaceExists, 102)]
    [InlineData(IsolationFault.NamespaceMissing, 103)]
    [InlineData(IsolationFault.HostNamespace, 8)]
    [InlineData(IsolationFault.FeatureMissing, 104)]
    [InlineData(IsolationFault.StoreUnreadable, 105)]
    [InlineData(IsolationFault.Differs, 106)]
    [InlineData(IsolationFault.RolledBack, 107)]
    [InlineData(IsolationFault.Ambiguous, 2)]
    [InlineData(IsolationFault.Incomplete, 999)]
    public void A_fault_keeps_its_words(IsolationFault fault, int code)
    {
        var cause = new IsolationException(fault, "what", "more");
        var error = ErrorCodes.Find(cause);
        Assert.Equal((code, "what", "more", cause), (error?.Code, error?.Message, error?.Details, error?.InnerException));
    }

    [Fact]
    public void What_has_a_code_keeps_it_and_what_has_none_gets_none()
    {
        var known = new CniException(11, "what");
        Assert.Same(known, ErrorCodes.Find(known));
        Assert.Null(ErrorCodes.Find(new IOException("what")));
    }

    [Fact]
    public void What_most_containers_share_comes_first() => Assert.Equal(
        ["10.0.0.2", "10.0.0.1"], HostConfiguration.MostCommonFirst(["10.0.0.1", "10.0.0.2", "", "x", "10.0.0.2"]).Select(a => a.ToString()));
}
