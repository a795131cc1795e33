using CniIsolator.Cni;
using CniIsolator.Ipam;
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
        var error = ErrorCodes.Translate(cause);
        Assert.Equal((code, "what", "more", cause), (error.Code, error.Message, error.Details, error.InnerException));
    }

    [Fact]
    public void What_has_a_code_keeps_it_and_what_has_none_was_not_foreseen()
    {
        var known = new CniException(11, "what");
        Assert.Same(known, ErrorCodes.Translate(known));
        Assert.Equal(11, ErrorCodes.Translate(new StoreBusyException("what")).Code);
        Assert.Equal(105, ErrorCodes.Translate(new StoreException("what")).Code);
        Assert.Equal(999, ErrorCodes.Translate(new IOException("what")).Code);
    }
}
