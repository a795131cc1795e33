namespace CniIsolator.Cni;

/// <summary>The CNI_* variables, validated for the command they carry. Absent ones are "".</summary>
public sealed class CniEnvironment
{
    private CniEnvironment()
    {
    }

    public CniCommand Command { get; private init; }

    /// <summary>CNI_COMMAND as it was given.</summary>
    public string CommandText { get; private init; } = "";

    public string ContainerId { get; private init; } = "";

    public string Netns { get; private init; } = "";

    public string IfName { get; private init; } = "";

    public string Args { get; private init; } = "";

    public string Path { get; private init; } = "";

    /// <summary>CNI_NETNS_OVERRIDE is 1 or true: CNI_NETNS may be the plugin's own namespace.</summary>
    public bool NetnsOverride { get; private init; }

    /// <summary>Reads and validates. Values that the command does not need are kept without being looked at.</summary>
    /// <param name="getenv">Yields a variable's value, or null.</param>
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.InvalidEnvironment"/>: a malformed value, or else the list of all that are missing.
    /// </exception>
    public static CniEnvironment Read(Func<string, string?> getenv)
    {
        var text = getenv("CNI_COMMAND") ?? "";
        var command = text switch
        {
            "ADD" => CniCommand.Add,
            "DEL" => CniCommand.Delete,
            "CHECK" => CniCommand.Check,
            "GC" => CniCommand.GarbageCollection,
            "STATUS" => CniCommand.Status,
            "VERSION" => CniCommand.Version,
            _ => CniCommand.Unknown,
        };
        var attachment = command is CniCommand.Add or CniCommand.Delete or CniCommand.Check;
        var missing = new List<string>();

        // A malformed value is reported before any that are missing, in the order of reading.
        string Take(string name, bool required, Action<string>? validate = null)
        {
            var value = getenv(name) ?? "";
            if (value.Length == 0)
            {
                if (required)
                {
                    missing.Add(name);
                }
            }
            else if (required)
            {
                validate?.Invoke(value);
            }

            return value;
        }

        var environment = new CniEnvironment
        {
            Command = command,
            CommandText = Take("CNI_COMMAND", required: true),
            ContainerId = Take("CNI_CONTAINERID", attachment, CniNames.CheckContainerId),
            Netns = Take("CNI_NETNS", command is CniCommand.Add or CniCommand.Check),
            IfName = Take("CNI_IFNAME", attachment, CniNames.CheckInterfaceName),
            Args = Take("CNI_ARGS", required: false),
            Path = Take("CNI_PATH", command is not (CniCommand.Version or CniCommand.Unknown)),
            NetnsOverride = Take("CNI_NETNS_OVERRIDE", required: false).ToUpperInvariant() is "1" or "TRUE",
        };
        return missing.Count == 0
            ? environment
            : throw new CniException(
                CniErrorCode.InvalidEnvironment, $"required env variables [{string.Join(',', missing)}] missing");
    }
}
