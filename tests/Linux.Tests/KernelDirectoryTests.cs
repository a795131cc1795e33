using System.Globalization;
using System.Text;

namespace CniIsolator.Linux.Tests;

public sealed class KernelDirectoryTests
{
    [Fact]
    public void Files_are_read_whole_or_as_far_as_the_buffer_goes()
    {
        Assert.Equal(ReadOutcome.Read, KernelDirectory.Open("/proc/self", out var self));
        using (self)
        {
            var buffer = new byte[64 * 1024];
            Assert.Equal(ReadOutcome.Read, self.Read("stat"u8, buffer, out var content));
            Assert.StartsWith(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + " (", Encoding.UTF8.GetString(content), StringComparison.Ordinal);

            Assert.Equal(ReadOutcome.Read, self.Read("status"u8, buffer, out content));
            Assert.Equal(File.ReadAllText("/proc/self/status").Split('\n').Length, Encoding.UTF8.GetString(content).Split('\n').Length);
            Assert.Equal(ReadOutcome.Read, self.Read("status"u8, buffer.AsSpan(0, 100), out content));
            Assert.Equal(100, content.Length);
        }
    }

    [Fact]
    public void What_is_not_there_is_absent_and_what_cannot_be_read_has_failed()
    {
        Assert.Equal(ReadOutcome.Absent, KernelDirectory.Open("/proc/self/nothing", out var nothing));
        nothing.Dispose();
        Assert.Equal(ReadOutcome.Read, KernelDirectory.Open("/proc/self", out var self));
        using (self)
        {
            Assert.Equal(ReadOutcome.Absent, self.Read("nothing"u8, new byte[10], out var content));
            Assert.Equal(0, content.Length);
            Assert.Equal(ReadOutcome.Failed, self.Read("task"u8, new byte[10], out content));
            Assert.Equal(0, content.Length);
        }
    }

    [Fact]
    public void A_glance_sees_what_opening_sees()
    {
        Assert.Equal(NetworkNamespace.TryIdentify("/proc/self/ns/net"), NetworkNamespace.Glance("/proc/self/ns/net"));
        Assert.NotEqual(NetworkNamespace.Glance("/proc/self/ns/mnt"), NetworkNamespace.Glance("/proc/self/ns/net"));
        Assert.Null(NetworkNamespace.Glance("/proc/self/ns/nothing"));
        Assert.Null(NetworkNamespace.Glance(""));
    }
}
