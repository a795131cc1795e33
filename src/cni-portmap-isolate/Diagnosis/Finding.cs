namespace CniIsolator.Plugin.Diagnosis;

/// <summary>How bad a finding is; only a fault makes the exit code 1.</summary>
internal enum Severity
{
    Good,
    Warning,
    Fault,
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Severity">How bad it is.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Text">What was found, and what that means.</param>
/// <param name="Remedies">Commands that mend it, to be copied; where no command can, what to do.</param>
internal sealed record Finding(Severity Severity, string Subject, string Text, IReadOnlyList<string> Remedies);

/// <summary>All findings, in the order in which they were made.</summary>
internal sealed class FindingList
{
    private readonly List<Finding> _all = [];

    public IReadOnlyList<Finding> All => _all;

    public int Faults => _all.Count(f => f.Severity == Severity.Fault);

    public void Good(string subject, string text) => _all.Add(new Finding(Severity.Good, subject, text, []));

    public void Warn(string subject, string text, params IEnumerable<string> remedies) => _all.Add(new Finding(Severity.Warning, subject, text, [.. remedies]));

    public void Fault(string subject, string text, params IEnumerable<string> remedies) => _all.Add(new Finding(Severity.Fault, subject, text, [.. remedies]));

    /// <summary>What could not be looked at may be good or bad.</summary>
    public void Unknown(string subject, string what, Exception reason) =>
        Warn(subject, $"cannot look at {what}: {reason.Message}", "run it as root, in the host's network namespace");

    /// <summary>Runs one look at something; whatever the system answers, the other looks go on.</summary>
    public void Look(string subject, string what, Action look)
    {
        try
        {
            look();
        }
        catch (Exception e) when (
            e is IOException or UnauthorizedAccessException or Cni.CniException
                or KernelState.IsolationException or Ipam.StoreException or FormatException)
        {
            Unknown(subject, what, e);
        }
    }
}
