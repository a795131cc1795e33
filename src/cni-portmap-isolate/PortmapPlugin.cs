using System.Diagnostics;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Plugin.Commands;
using CniIsolator.Plugin.Configuration;
using CniIsolator.Plugin.Logging;
using Serilog;

namespace CniIsolator.Plugin;

/// <summary>The plugin as the protocol sees it: runs each command, logs it, and gives every failure its CNI code.</summary>
internal sealed class PortmapPlugin : ICniPlugin
{
    public CniResult Add(CniRequest request) => Logged(request, log => AddCommand.Run(request, log));

    public void Delete(CniRequest request) => Logged(request, log => DeleteCommand.Run(request, log));

    public void Check(CniRequest request) => Logged(request, _ => CheckCommand.Run(request));

    public void CollectGarbage(CniRequest request) => Logged(request, log => CollectGarbageCommand.Run(request, log));

    public void Status(CniRequest request) => Logged(request, _ => StatusCommand.Run(request));

    public bool IsOwnNetworkNamespace(string path)
    {
        using var own = NetworkNamespace.OpenCurrent();
        return NetworkNamespace.TryIdentify(path) == own.Identity;
    }

    public void ResultNotDelivered(CniRequest request) => Logged(request, log => AddCommand.Undo(request, log));

    private static void Logged(CniRequest request, Action<ILogger> command) => Logged(request, log =>
    {
        command(log);
        return true;
    });

    private static T Logged<T>(CniRequest request, Func<ILogger, T> command)
    {
        var started = Stopwatch.GetTimestamp();
        var where = NetworkConfiguration.ForRemoval(request);
        using var log = new CommandLog(where.LogFile, where.LogLevel);
        try
        {
            var result = command(log.Logger);
            Conclude(log.Logger, request, started);
            return result;
        }
        catch (Exception e)
        {
            var error = Translate(e);
            log.Logger.Error(
                "{Command:l} network={Network} container={Container} ifname={IfName} netns={Netns} took {Milliseconds:0.0} ms: failed with code {Code}: {Message:l}{Details:l}",
                Name(request.Command),
                request.Config.Name,
                request.ContainerId,
                request.IfName,
                request.Netns,
                Stopwatch.GetElapsedTime(started).TotalMilliseconds,
                error.Code,
                error.Message,
                error.Details is null ? "" : "; " + error.Details);
            throw error;
        }
    }

    private static void Conclude(ILogger log, CniRequest request, long started) => log.Information(
        "{Command:l} network={Network} container={Container} ifname={IfName} netns={Netns} took {Milliseconds:0.0} ms: ok",
        Name(request.Command),
        request.Config.Name,
        request.ContainerId,
        request.IfName,
        request.Netns,
        Stopwatch.GetElapsedTime(started).TotalMilliseconds);

    private static string Name(CniCommand command) => command switch
    {
        CniCommand.Add => "ADD",
        CniCommand.Delete => "DEL",
        CniCommand.Check => "CHECK",
        CniCommand.GarbageCollection => "GC",
        _ => "STATUS",
    };

    /// <summary>The one place where failures get CNI codes.</summary>
    private static CniException Translate(Exception e) => e switch
    {
        _ when ErrorCodes.Find(e) is { } known => known,
        StoreBusyException => new CniException(CniErrorCode.TryAgainLater, e.Message, null, e),
        StoreException => new CniException(CniErrorCode.StoreUnreadable, e.Message, null, e),
        _ => new CniException(CniErrorCode.Internal, e.Message, null, e),
    };
}
