namespace CniIsolator.Cni;

/// <summary>The operations of the CNI specification 1.1.0.</summary>
public enum CniCommand
{
    /// <summary>A value of CNI_COMMAND that no version of the specification has.</summary>
    Unknown,
    Add,
    Delete,
    Check,
    GarbageCollection,
    Status,
    Version,
}
