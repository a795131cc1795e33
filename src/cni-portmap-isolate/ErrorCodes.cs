using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.KernelState;

namespace CniIsolator.Plugin;

/// <summary>The one place where what cannot be done gets the code that runtimes and operators know it by.</summary>
internal static class ErrorCodes
{
    /// <summary>A failure of any kind as CNI tells it.</summary>
    public static CniException Translate(Exception e) => e switch
    {
        CniException known => known,
        IsolationException isolation => new CniException(CodeOf(isolation.Fault), isolation.Message, isolation.Details, isolation),
        StoreBusyException => new CniException(CniErrorCode.TryAgainLater, e.Message, null, e),
        StoreException => new CniException(CniErrorCode.StoreUnreadable, e.Message, null, e),
        _ => new CniException(CniErrorCode.Internal, e.Message, null, e),
    };

    /// <summary>The same in one line, for an operator.</summary>
    public static string Describe(Exception e)
    {
        var error = Translate(e);
        return $"error {error.Code}: {error.Message}{(error.Details is null ? "" : $": {error.Details}")}";
    }

    private static int CodeOf(IsolationFault fault) => fault switch
    {
        IsolationFault.InvalidConfiguration => CniErrorCode.InvalidNetworkConfig,
        IsolationFault.UnknownContainer => CniErrorCode.UnknownContainer,
        IsolationFault.TryAgainLater => CniErrorCode.TryAgainLater,
        IsolationFault.PortsExhausted => CniErrorCode.EphemeralPortsExhausted,
        IsolationFault.PortTaken => CniErrorCode.PortTaken,
        IsolationFault.InterfaceExists => CniErrorCode.InterfaceExists,
        IsolationFault.NamespaceMissing => CniErrorCode.NamespaceMissing,
        IsolationFault.HostNamespace => CniErrorCode.InvalidNetns,
        IsolationFault.FeatureMissing => CniErrorCode.KernelFeatureMissing,
        IsolationFault.StoreUnreadable => CniErrorCode.StoreUnreadable,
        IsolationFault.Differs => CniErrorCode.CheckFailed,
        IsolationFault.RolledBack => CniErrorCode.RolledBack,
        IsolationFault.Ambiguous => CniErrorCode.UnsupportedField,
        _ => CniErrorCode.Internal,
    };
}
