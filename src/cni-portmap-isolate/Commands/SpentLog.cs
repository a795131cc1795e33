using CniIsolator.Lifecycle;
using Serilog;

namespace CniIsolator.Plugin.Commands;

/// <summary>Tells the log which files of the store stand for nothing any more and could not be removed.</summary>
internal static class SpentLog
{
    public static void Write(Session session, ILogger log)
    {
        foreach (var fault in session.Spent.Faults)
        {
            log.Warning("the kernel's side is gone, but a file of the store stays: {Fault:l}", fault);
        }
    }
}
