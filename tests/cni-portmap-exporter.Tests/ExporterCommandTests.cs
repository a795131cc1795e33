using CniIsolator.Exporter.CommandLine;

namespace CniIsolator.Exporter.Tests;

public sealed class ExporterCommandTests
{
    [Theory]
    [InlineData("127.0.0.1:0", "--listen", "127.0.0.1:0")]
    [InlineData("nowhere", "--listen", "127.0.0.1:9478", "--listen", "nowhere")]
    [InlineData("given twice", "--listen", "127.0.0.1:9478", "--listen", "127.0.0.1:9478")]
    [InlineData("--listen", "--listen")]
    [InlineData("\"\"", "--state-dir", "")]
    [InlineData("--state-dir", "--state-dir")]
    [InlineData("--nonsense", "--nonsense")]
    [InlineData("--socket-statistics \"all\": expected none, summary or details", "--socket-statistics", "all")]
    [InlineData("\"Details\"", "--socket-statistics", "Details")]
    [InlineData("\"1\"", "--socket-statistics", "1")]
    [InlineData("--socket-statistics", "--socket-statistics")]
    [InlineData("surplus", "--snmp", "surplus")]
    [InlineData("surplus", "surplus")]
    public async Task A_wrong_command_line_is_told_and_ends_with_2(string named, params string[] args)
    {
        var (code, output, error) = await RunAsync(args);
        Assert.Equal(2, code);
        Assert.Contains(named, error, StringComparison.Ordinal);
        Assert.Contains("Try: cni-portmap-exporter --help", error, StringComparison.Ordinal);
        Assert.Equal("", output);
    }

    [Fact]
    public async Task Version_is_all_that_is_printed()
    {
        var (code, output, error) = await RunAsync("--version");
        Assert.Equal((0, ""), (code, error));
        Assert.Matches("^[0-9]+\\.[0-9]+\\.[0-9]+\n$", output);
    }

    [Fact]
    public async Task Help_names_every_option()
    {
        var (code, output, error) = await RunAsync("--help");
        Assert.Equal((0, ""), (code, error));
        Assert.All(["--listen", "127.0.0.1:9478", "--state-dir", "/run/cni-portmap-isolate", "--version", "--help", "--socket-statistics", "none|summary|details", "--snmp"], option => Assert.Contains(option, output, StringComparison.Ordinal));
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (await ExporterCommand.RunAsync(args, output, error), output.ToString(), error.ToString());
    }
}
