using CniIsolator.Ipam;
using CniIsolator.Lifecycle;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>Looks at everything that a host needs for containers to share its address, one subject after another.</summary>
internal static class Examination
{
    private static readonly (string Subject, string What, Action<ExaminedHost, FindingList> Look)[] Looks =
    [
        ("master", "the shared interface", MasterDiagnosis.Look),
        ("ports", "the ranges of ports", PortsDiagnosis.Look),
        ("sockets", "sockets of the host", SocketsDiagnosis.Look),
        ("limits", "the limits", MasterDiagnosis.LookAtLimits),
        ("devices", "filters of others", DevicesDiagnosis.Look),
        ("records", "the records", RecordsDiagnosis.Look),
        ("shared", "what the containers share", LiveDiagnosis.LookAtShared),
        ("containers", "the containers", LiveDiagnosis.LookAtContainers),
        ("strays", "what nobody remembers", OrphansDiagnosis.Look),
    ];

    public static void Run(FindingList findings, NetworkConfiguration? configuration, string stateDir)
    {
        findings.Look("kernel", "the kernel's features", () => KernelDiagnosis.Look(findings, configuration));
        findings.Look("store", stateDir, () => StoreDiagnosis.Look(findings, stateDir));
        findings.Look("log", "the log", () => StoreDiagnosis.LookAtLog(findings, configuration?.LogFile ?? ConfigurationKeys.DefaultLogFile));
        findings.Look("host", "the host", () =>
        {
            using var session = new Session(stateDir);
            var (content, networks) = ReadStore(session.Store);
            var host = new ExaminedHost(session, configuration, content, networks);
            foreach (var (subject, what, look) in Looks)
            {
                findings.Look(subject, what, () => look(host, findings));
            }
        });
    }

    /// <summary>That a store cannot be trusted has been said; the host is looked at nevertheless.</summary>
    private static (StoreContent Content, IReadOnlyList<NetworkRecord> Networks) ReadStore(AttachmentStore store)
    {
        try
        {
            using var reader = new StoreReader(store.StateDir);
            return (store.ReadAll(), reader.Read().Networks ?? []);
        }
        catch (StoreException)
        {
            return (new StoreContent([], [], null, null), []);
        }
    }
}
