using CniIsolator.Cni;
using CniIsolator.KernelState;

namespace CniIsolator.Plugin;

/// <summary>The CNI codes of what cannot be done.</summary>
internal static class ErrorCodes
{
    /// <summary>The error reply's "code" for a fault.</summary>
    public static int Of(IsolationFault fault) => fault switch
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

    /// <summary>The same failure as the protocol has it; null where it has no code of its own.</summary>
    public static CniException? Find(Exception cause) => cause switch
    {
        CniException known => known,
        IsolationException e => new CniException(Of(e.Fault), e.Message, e.Details, e),
        _ => null,
    };
}
