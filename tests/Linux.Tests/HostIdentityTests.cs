using System.Diagnostics;

namespace CniIsolator.Linux.Tests;

public class HostIdentityTests
{
    [Fact]
    public void Boot_id_is_a_uuid() => Assert.True(Guid.TryParse(HostIdentity.BootId, out _));

    [Fact]
    public void Start_time_names_a_living_process_only()
    {
        var own = HostIdentity.ProcessStartTime(Environment.ProcessId);
        Assert.NotNull(own);
        Assert.Equal(own, HostIdentity.ProcessStartTime(Environment.ProcessId));
        Assert.Null(HostIdentity.ProcessStartTime(int.MaxValue));

        using var child = Process.Start(new ProcessStartInfo("cat") { RedirectStandardInput = true })!;
        Assert.True(HostIdentity.ProcessStartTime(child.Id) >= own);
        child.StandardInput.Close();
        child.WaitForExit();
        Assert.Null(HostIdentity.ProcessStartTime(child.Id));
    }

    [Fact]
    public void Umask_returns_the_previous_one()
    {
        var before = HostIdentity.SetUmask(0x3f);
        Assert.Equal(0x3f, HostIdentity.SetUmask(before));
    }
}
