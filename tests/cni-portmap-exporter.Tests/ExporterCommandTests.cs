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
    [InlineData("surplus", "--port-statistics", "surplus")]
    [InlineData("--rate-window needs --rate-interval", "--rate-window", "60")]
    [InlineData("--rate-interval needs --rate-window", "--rate-interval", "1")]
    [InlineData("--rate-window \"a minute\": expected seconds, such as 60 or 0.5", "--rate-window", "a minute", "--rate-interval", "1")]
    [InlineData("--rate-interval \"0\": expected seconds", "--rate-window", "60", "--rate-interval", "0")]
    [InlineData("--rate-interval \"-1\": expected seconds", "--rate-window", "60", "--rate-interval", "-1")]
    [InlineData("--rate-interval \"1e3\": expected seconds", "--rate-window", "60", "--rate-interval", "1e3")]
    [InlineData("--rate-window \"NaN\": expected seconds", "--rate-window", "NaN", "--rate-interval", "1")]
    [InlineData("--rate-window \"1000000000\": expected seconds", "--rate-window", "1000000000", "--rate-interval", "1")]
    [InlineData("--rate-interval 0.099: at least 0.1 s", "--rate-window", "60", "--rate-interval", "0.099")]
    [InlineData("--rate-window 86401: at most 86400 s", "--rate-window", "86401", "--rate-interval", "100")]
    [InlineData("--rate-window 1 is shorter than --rate-interval 2", "--rate-window", "1", "--rate-interval", "2")]
    [InlineData("--rate-window 100.1 holds more than 1000 intervals of 0.1 s", "--rate-window", "100.1", "--rate-interval", "0.1")]
    [InlineData("--rate-window", "--rate-window", "60", "--rate-window", "61", "--rate-interval", "1")]
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
    public void No_command_at_all_means_to_serve()
    {
        var options = new ExporterOptions();
        Assert.Empty(options.Command.Parse([]).Errors);
        Assert.Empty(options.Command.Parse(["--snmp"]).Errors);
        Assert.NotEmpty(options.Command.Parse(["kubernetes"]).Errors);
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
        Assert.All(["--listen", "127.0.0.1:9478", "--state-dir", "/run/cni-portmap-isolate", "--version", "--help", "--socket-statistics", "none|summary|details", "--snmp", "--port-statistics", "--rate-window", "--rate-interval"], option => Assert.Contains(option, output, StringComparison.Ordinal));
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (await ExporterCommand.RunAsync(args, output, error), output.ToString(), error.ToString());
    }
}
