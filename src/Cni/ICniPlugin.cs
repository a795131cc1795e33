namespace CniIsolator.Cni;

/// <summary>
/// The operations of a plugin. Each either returns or throws: a <see cref="CniException"/> reaches the runtime as it is,
/// anything else as code 999.
/// </summary>
public interface ICniPlugin
{
    /// <summary>Attaches the container. Returns what this plugin made; the dispatcher merges it with prevResult.</summary>
    CniResult Add(CniRequest request);

    /// <summary>Detaches it. Netns may be "" and there may be nothing left to do; both are success.</summary>
    void Delete(CniRequest request);

    void Check(CniRequest request);

    /// <summary>Removes what belongs to attachments that are not in <see cref="CniConfig.ReadValidAttachments"/>.</summary>
    void CollectGarbage(CniRequest request);

    void Status(CniRequest request);

    /// <summary>
    /// Whether a path leads to the namespace this process runs in; false if it cannot be opened. Asked before ADD and
    /// DEL, where answering true makes code 8. A DEL is still carried out, with Netns emptied, so that nothing on the
    /// host is left behind.
    /// </summary>
    bool IsOwnNetworkNamespace(string path) => false;

    /// <summary>
    /// ADD succeeded but the runtime did not get its result (it has closed the pipe, or the result cannot be expressed in
    /// its version). It will take the call for failed, so undo it.
    /// </summary>
    void ResultNotDelivered(CniRequest request)
    {
    }
}
