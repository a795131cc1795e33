using System.Diagnostics;

namespace CniIsolator.Ipam.Tests;

public class ProcessIdentityTests
{
    [Fact]
    public void An_identity_is_alive_as_long_as_its_process()
    {
        var own = ProcessIdentity.Current;
        Assert.Equal(own, ProcessIdentity.Find(Environment.ProcessId));
        Assert.True(own.IsAlive());
        Assert.False((own with { StartTime = own.StartTime + 1 }).IsAlive());
        Assert.Null(ProcessIdentity.Find(int.MaxValue));

        using var child = Process.Start(new ProcessStartInfo("cat") { RedirectStandardInput = true })!;
        var theirs = ProcessIdentity.Find(child.Id);
        Assert.True(theirs!.Value.IsAlive());
        Assert.True(theirs.Value.StartTime >= own.StartTime);
        child.StandardInput.Close();
        child.WaitForExit();
        Assert.False(theirs.Value.IsAlive());
    }
}
