namespace CniIsolator.Cni;

/// <summary>
/// The "code" member of an error reply. 1 to 99 belong to the CNI specification (section "Error", 1.1.0),
/// 100 and above to this plugin; 8 and 999 are in no text but every runtime knows them from the reference library.
/// </summary>
public static class CniErrorCode
{
    /// <summary>The configuration's cniVersion is not one the plugin speaks.</summary>
    public const int IncompatibleVersion = 1;

    /// <summary>A key, or a value of it, that the plugin cannot honour. The message has key and value.</summary>
    public const int UnsupportedField = 2;

    /// <summary>The container does not exist; the runtime need not call DEL.</summary>
    public const int UnknownContainer = 3;

    /// <summary>CNI_* variables missing or malformed. The message names them.</summary>
    public const int InvalidEnvironment = 4;

    /// <summary>Reading or writing failed, for instance of standard input.</summary>
    public const int IoFailure = 5;

    /// <summary>Input is not the JSON it should be.</summary>
    public const int DecodingFailure = 6;

    /// <summary>The network configuration is JSON but not valid.</summary>
    public const int InvalidNetworkConfig = 7;

    /// <summary>CNI_NETNS is the namespace that the plugin itself runs in.</summary>
    public const int InvalidNetns = 8;

    /// <summary>A passing condition: the runtime should try again.</summary>
    public const int TryAgainLater = 11;

    /// <summary>STATUS: ADD cannot be served.</summary>
    public const int PluginNotAvailable = 50;

    /// <summary>STATUS: ADD cannot be served, and containers that exist may have lost connectivity.</summary>
    public const int LimitedConnectivity = 51;

    /// <summary>No free slice of the ephemeral pool is left.</summary>
    public const int EphemeralPortsExhausted = 100;

    /// <summary>A requested port belongs to a container, the pool or a host process; details name the holder.</summary>
    public const int PortTaken = 101;

    /// <summary>An interface of the requested name exists in the container.</summary>
    public const int InterfaceExists = 102;

    /// <summary>CNI_NETNS is missing on disk, or is no network namespace.</summary>
    public const int NamespaceMissing = 103;

    /// <summary>The kernel lacks a feature; the message names it.</summary>
    public const int KernelFeatureMissing = 104;

    /// <summary>The store of attachments cannot be read.</summary>
    public const int StoreUnreadable = 105;

    /// <summary>CHECK found a difference; details list each, expected and found.</summary>
    public const int CheckFailed = 106;

    /// <summary>ADD failed and everything it had done was undone.</summary>
    public const int RolledBack = 107;

    /// <summary>An error the plugin did not foresee.</summary>
    public const int Internal = 999;
}
