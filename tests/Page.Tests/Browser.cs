using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;
using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;

namespace CniIsolator.Exporter.PageTests;

/// <summary>Debian's Chromium without a screen, with a profile of its own; both are gone after the last test.</summary>
public sealed class Browser : IDisposable
{
    private readonly DirectoryInfo _profile = Directory.CreateTempSubdirectory("portmap-page-");
    private readonly ChromeDriverService _service = ChromeDriverService.CreateDefaultService("/usr/bin", "chromedriver");

    public Browser()
    {
        ChromeOptions options = new() { BinaryLocation = "/usr/bin/chromium" };
        options.AddArguments(Chromium.Arguments(_profile.FullName));
        options.SetLoggingPreference(LogType.Browser, LogLevel.All);
        options.SetLoggingPreference(LogType.Performance, LogLevel.All);
        _service.SuppressInitialDiagnosticInformation = true;
        try
        {
            Driver = new ChromeDriver(_service, options, TimeSpan.FromMinutes(1));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public ChromeDriver Driver { get; } = null!;

    public object? Run(string script, params object?[] arguments) => Driver.ExecuteScript(script, arguments);

    public T Run<T>(string script, params object?[] arguments) => (T)Convert.ChangeType(Run(script, arguments), typeof(T))!;

    public JsonNode Command(string name, object? parameters = null)
    {
        Dictionary<string, object?> map = parameters is null ? [] : JsonSerializer.SerializeToNode(parameters)!.Deserialize<Dictionary<string, object?>>()!;
        return JsonSerializer.SerializeToNode(Driver.ExecuteCdpCommand(name, map))!;
    }

    /// <summary>What the page said, in its own words or as the browser's complaint about it, since this was last asked.</summary>
    public IReadOnlyList<string> Console() => [.. Driver.Manage().Logs.GetLog(LogType.Browser).Select(entry => $"{entry.Level} {entry.Message}")];

    /// <summary>Addresses asked for since this was last asked.</summary>
    public IReadOnlyList<Uri> Requests() =>
    [
        .. Driver.Manage().Logs.GetLog(LogType.Performance)
            .Select(entry => JsonNode.Parse(entry.Message)!["message"]!)
            .Where(message => (string?)message["method"] == "Network.requestWillBeSent")
            .Select(message => new Uri((string)message["params"]!["request"]!["url"]!)),
    ];

    public void Dispose()
    {
        Driver?.Quit();
        _service.Dispose();
        foreach (int left in Processes())
        {
            using Process? process = Find(left);
            process?.Kill();
        }

        Wait.Until(() => !Processes().Any(), "the browser to end");
        Wait.Until(TryRemoveProfile, "the browser's profile to be removed");
    }

    /// <summary>Known by the profile, which nobody else has.</summary>
    private IEnumerable<int> Processes()
    {
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int id) && id != Environment.ProcessId && CommandLine(directory).Contains(_profile.FullName, StringComparison.Ordinal))
            {
                yield return id;
            }
        }
    }

    private static string CommandLine(string directory)
    {
        try
        {
            return File.ReadAllText(Path.Combine(directory, "cmdline"));
        }
        catch (IOException)
        {
            // It ended meanwhile.
            return "";
        }
    }

    private static Process? Find(int id)
    {
        try
        {
            return Process.GetProcessById(id);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>A process that is ending may still write into it.</summary>
    private bool TryRemoveProfile()
    {
        try
        {
            _profile.Delete(recursive: true);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
