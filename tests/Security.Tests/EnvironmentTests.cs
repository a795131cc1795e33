using System.Text.Json;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>What a runtime leaves to its children: variables, descriptors, limits.</summary>
public sealed class EnvironmentTests
{
    [Theory]
    [InlineData("2>&-", true)]
    [InlineData(">&-", false)]
    [InlineData(">&- 2>&-", false)]
    [InlineData("<&-", false)]
    [InlineData("<&- 2>&-", false)]
    [InlineData("<&- >&-", false)]
    [InlineData("<&- >&- 2>&-", false)]
    [InlineData(">/dev/full", false)]
    [InlineData(">/dev/full 2>/dev/full", false)]
    [InlineData("2>/dev/full", true)]
    public async Task Closed_descriptors_receive_nothing_and_an_ADD_whose_result_is_lost_is_undone(string redirections, bool delivered)
    {
        // A log that cannot be written has the plugin write to its standard error, too.
        using Bed bed = new(config => config with { LogFile = "/dev/full" });
        Namespace container = bed.Container();
        CommandResult run = await PluginShell.RunAsync(bed, ":", redirections, bed.Plugin.Attachment("ADD", container.Path, "c1", config: bed.Config.WithPorts(31005)));
        Assert.Equal(delivered ? 0 : 1, run.ExitCode);
        if (delivered)
        {
            JsonDocument.Parse(run.Output).Dispose();
            foreach (string file in Directory.GetFiles(bed.Store, "*.json"))
            {
                JsonDocument.Parse(await File.ReadAllTextAsync(file)).Dispose();
            }

            Assert.All(Directory.GetFiles(bed.Store, "*lock"), file => Assert.Equal(0, new FileInfo(file).Length));
            bed.Plugin.Del(container, "c1").Require();
        }

        bed.AssertClean();
    }

    [Fact]
    public async Task Variables_of_the_runtime_and_of_the_loader_start_nothing()
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        string files = Directory.CreateDirectory(Path.Combine(bed.Net.StateDirectory, "tmp")).FullName;
        Dictionary<string, string?> extra = new()
        {
            ["TMPDIR"] = files, ["HOME"] = files, ["LD_PRELOAD"] = "/nowhere.so", ["LD_LIBRARY_PATH"] = files, ["LD_AUDIT"] = "/nowhere.so", ["LD_DEBUG"] = "all",
            ["DOTNET_STARTUP_HOOKS"] = "/nowhere.dll", ["DOTNET_EnableDiagnostics"] = "1", ["DOTNET_EnableEventPipe"] = "1", ["DOTNET_EventPipeOutputPath"] = files + "/trace",
            ["DOTNET_DiagnosticPorts"] = files + "/port,connect,suspend",
            ["DOTNET_gcServer"] = "1", ["COMPlus_gcServer"] = "1", ["CORECLR_ENABLE_PROFILING"] = "1", ["CORECLR_PROFILER_PATH"] = "/nowhere.so",
            ["SERILOG__MINIMUMLEVEL"] = "Verbose", ["MALLOC_PERTURB_"] = "85", ["GCONV_PATH"] = files, ["LOCPATH"] = files, ["LANG"] = "tr_TR.UTF-8",
        };
        foreach (string command in new[] { "ADD", "DEL" })
        {
            CommandResult run = await PluginShell.RunAsync(bed, ":", "", bed.Plugin.Attachment(command, container.Path, "c1") with { Extra = extra });
            Assert.True(run.ExitCode == 0, $"{run.ExitCode}: {run.Output} {run.Error}");
            Assert.Equal("", run.Error);
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(files));
        bed.AssertClean();
    }

    /// <summary>Whatever cannot be opened or written for want of a limit is an error like any other: nothing of the ADD stays.</summary>
    [Theory]
    [InlineData("ulimit -n 0")]
    [InlineData("ulimit -n 4")]
    [InlineData("ulimit -n 5")]
    [InlineData("ulimit -n 6")]
    [InlineData("ulimit -n 7")]
    [InlineData("ulimit -n 8")]
    [InlineData("ulimit -n 9")]
    [InlineData("ulimit -n 10")]
    [InlineData("ulimit -n 12")]
    [InlineData("ulimit -f 0")]
    [InlineData("ulimit -f 1")]
    [InlineData("ulimit -c unlimited; ulimit -s 256")]
    [InlineData("trap '' PIPE TERM HUP INT XFSZ")]
    public async Task A_limit_of_the_runtime_leaves_nothing_half_done(string limit)
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);

        // So long a log cannot grow under a limit of one block.
        await File.WriteAllTextAsync(bed.Config.LogFile!, new string('x', 4000) + "\n");
        CommandResult run = await PluginShell.RunAsync(bed, limit, "", bed.Plugin.Attachment("ADD", container.Path, "c1"));
        if (run.ExitCode == 0)
        {
            bed.Plugin.Run(bed.Plugin.Attachment("DEL", container.Path, "c1")).Require();
            Bed.AssertLoopbackRestored(container);
        }
        else
        {
            // The runtime takes any other end for a failure as well, and calls DEL.
            Assert.True(run.ExitCode is 1 || limit.StartsWith("ulimit -n", StringComparison.Ordinal), run.ToString());
            Bed.Unchanged(inside, container);
            bed.Plugin.Run(bed.Plugin.Attachment("DEL", container.Path, "c1")).Require();
        }

        bed.AssertClean();
    }
}
