using System.Diagnostics;
using System.Runtime.InteropServices;
using CniIsolator.Demo;
using CniIsolator.Testbed;

// ip and tc live in the sbin directories, which are not on everyone's path.
Environment.SetEnvironmentVariable("PATH", Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin");
if (!Environment.IsPrivilegedProcess)
{
    return RunAsRoot();
}

foreach (string binary in new[] { Plugin.DefaultBinary, Exporter.Binary })
{
    if (!File.Exists(binary))
    {
        Console.Error.WriteLine($"{binary} is missing: run make build first");
        return 2;
    }
}

// An exit removes everything that was made; the default action of a signal would not.
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
return new Performance().Run();

static void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    Console.Error.WriteLine("\ninterrupted; everything that the demo has made is being removed");
    Environment.Exit(130);
}

static int RunAsRoot()
{
    try
    {
        using Process elevated = Process.Start("sudo", ["--preserve-env=PATH,DOTNET_ROOT,PORTMAP_PLUGIN,NO_COLOR,TERM", Environment.ProcessPath!]);
        elevated.WaitForExit();
        return elevated.ExitCode;
    }
    catch (System.ComponentModel.Win32Exception)
    {
        Console.Error.WriteLine("the demo makes network namespaces: run it as root");
        return 2;
    }
}
