using CniIsolator.Cni;

namespace CniIsolator.Plugin.Configuration;

/// <summary>
/// The little of a configuration that taking things away needs. Whatever else in it is wrong - it may have been edited
/// since ADD - must not keep a container's ports from being released.
/// </summary>
/// <param name="Name">The network's name.</param>
/// <param name="StateDir">Directory of the store, absolute.</param>
/// <param name="LogFile">Log file, absolute; the default where the configured one is no absolute path.</param>
/// <param name="LogLevel">The default where the configured one is unknown.</param>
/// <param name="Master">The configured master; null if none, or none that could be an interface's name.</param>
public sealed record RemovalConfiguration(
    string Name, string StateDir, string LogFile, LogLevel LogLevel, string? Master)
{
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.InvalidNetworkConfig"/>: only if stateDir is no absolute path, since then nobody knows
    /// where to look.
    /// </exception>
    internal static RemovalConfiguration From(CniConfig config) => new(
        config.Name,
        GeneralKeys.ReadStateDir(config.Top),
        Leniently(() => GeneralKeys.ReadLogFile(config.Top), ConfigurationKeys.DefaultLogFile),
        Leniently(() => GeneralKeys.ReadLogLevel(config.Top), LogLevel.Information),
        Leniently(() => GeneralKeys.ReadMaster(config.Top), null));

    private static T Leniently<T>(Func<T> read, T otherwise)
    {
        try
        {
            return read();
        }
        catch (CniException)
        {
            return otherwise;
        }
    }
}
