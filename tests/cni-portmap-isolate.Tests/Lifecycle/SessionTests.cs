using System.Diagnostics;
using System.Globalization;
using CniIsolator.KernelState;
using CniIsolator.Lifecycle;

namespace CniIsolator.Plugin.Tests.Lifecycle;

/// <summary>Waiting for another process has an end, and the error says for whom it was.</summary>
public sealed class SessionTests : IDisposable
{
    private readonly DirectoryInfo _state = Directory.CreateTempSubdirectory("pmit-session-");

    public void Dispose() => _state.Delete(recursive: true);

    [Theory]
    [InlineData("lock")]
    [InlineData("host.lock")]
    public void A_lock_that_is_held_for_too_long_is_error_11_with_lock_and_holder(string name)
    {
        File.SetUnixFileMode(_state.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var path = Path.Combine(_state.FullName, name);
        using var holder = Process.Start(new ProcessStartInfo("flock", [path, "sh", "-c", "echo held; exec cat"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            Assert.Equal("held", holder.StandardOutput.ReadLine());
            using var session = new Session(_state.FullName, TimeSpan.FromMilliseconds(30));
            var error = Assert.Throws<IsolationException>(() => Use(session, name));
            Assert.Equal(IsolationFault.TryAgainLater, error.Fault);
            Assert.Contains(path, error.Message, StringComparison.Ordinal);
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"process {holder.Id} (flock "), error.Message, StringComparison.Ordinal);
            Assert.Contains("0.03 s", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            holder.StandardInput.Close();
            holder.WaitForExit();
        }

        using var next = new Session(_state.FullName);
        Assert.Equal(TimeSpan.FromSeconds(20), next.LockTimeout);
        Use(next, name);
    }

    private static void Use(Session session, string name)
    {
        using IDisposable held = name == "lock" ? session.Begin() : session.HoldSharedState();
    }
}
