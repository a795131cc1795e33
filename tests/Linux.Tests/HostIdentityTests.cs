namespace CniIsolator.Linux.Tests;

public class HostIdentityTests
{
    [Fact]
    public void Boot_id_is_a_uuid() => Assert.True(Guid.TryParse(HostIdentity.BootId, out _));

    [Fact]
    public void Umask_returns_the_previous_one()
    {
        var before = HostIdentity.SetUmask(0x3f);
        Assert.Equal(0x3f, HostIdentity.SetUmask(before));
    }
}
