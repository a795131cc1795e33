using System.Diagnostics;

namespace CniIsolator.FullKernel.Tests;

/// <summary>
/// The guest's kernel without some of its modules, and without the means to load any: a kernel that was built without them, as far as
/// anybody can see. Disposal brings them back.
/// </summary>
public sealed class KernelModules : IDisposable
{
    private const string Loader = "/run/modules/modprobe";
    private const string LoaderSetting = "/proc/sys/kernel/modprobe";

    private readonly string[] _names;

    private KernelModules(string[] names) => _names = names;

    /// <summary>Takes the modules out of the kernel, once nothing of an earlier test holds them any more.</summary>
    public static KernelModules Without(params string[] names)
    {
        // Only the guest's own kernel: init.sh has made this setting.
        Assert.Equal(Loader, File.ReadAllText(LoaderSetting).Trim());
        KernelModules modules = new(names);
        try
        {
            // Empty: the kernel does not even try.
            File.WriteAllText(LoaderSetting, "\n");
            foreach (string name in names)
            {
                Wait.Until(() => !Directory.Exists($"/sys/module/{name}") || Execute("rmmod", name) == 0, $"the end of the last use of {name}", TimeSpan.FromMinutes(2));
            }

            return modules;
        }
        catch
        {
            modules.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        File.WriteAllText(LoaderSetting, Loader);
        Assert.Equal(0, Execute(Loader, ["-a", .. _names]));
    }

    private static int Execute(string command, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
        _ = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}
