using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Package.Tests.Debian;

/// <summary>The man pages tell of all that --help tells of, and of nothing else.</summary>
public sealed partial class ManPageTests
{
    public static TheoryData<string> Pages => [Programs.Plugin, Programs.Exporter];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_option_is_there_and_no_other(string program)
    {
        string page = Render(program);
        string[] known = Options(string.Join('\n', HelpTexts(program)));
        Assert.Contains("--state-dir", known);

        // In the synopsis and under OPTIONS; other sections name options of other programs.
        int options = page.IndexOf("\nOPTIONS\n", StringComparison.Ordinal);
        string synopsis = page[..page.IndexOf("\nDESCRIPTION\n", StringComparison.Ordinal)];
        Assert.Equal(known, Options(synopsis));
        Assert.Equal(known, Options(page[options..page.IndexOf("\nEXIT STATUS\n", options, StringComparison.Ordinal)].Split("\nINSTALLATION\n")[0]));
        Assert.All(known, option => Assert.Matches($@"(?m)^ +(-\S+, )*{Regex.Escape(option)}\b", page));
    }

    [Theory]
    [InlineData(Programs.Plugin, 7)]
    [InlineData(Programs.Exporter, 3)]
    public void Every_command_is_there(string program, int count)
    {
        string page = Render(program);
        string[] commands = Commands(program);
        Assert.Equal(count, commands.Length);
        Assert.All(commands, command =>
        {
            Assert.Contains($" {program} {command}", page, StringComparison.Ordinal);
            Assert.Matches($"(?m)^ {{7}}{command}( |$)", page);
        });
    }

    /// <summary>Such as "[default: /run/cni-portmap-isolate]".</summary>
    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_default_is_there(string program)
    {
        string page = Whitespace().Replace(Render(program), " ");
        Assert.All(HelpTexts(program).SelectMany(help => Default().Matches(help).Select(match => match.Groups[1].Value)).Distinct(),
            value => Assert.Contains(value, page, StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Groff_finds_no_fault(string program)
    {
        CommandResult judged = CommandResult.Run("env", "LC_ALL=C.UTF-8", "MANROFFSEQ=", "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", PathOf(program));
        Assert.True(judged is { ExitCode: 0, Error: "" }, judged.Error);
    }

    private static string PathOf(string program) => Path.Combine(Repository.Root, "packaging", "man", $"{program}.8");

    /// <summary>As a terminal without colours shows it, words not divided.</summary>
    private static string Render(string program) =>
        Formatting().Replace(CommandResult.Run("groff", "-man", "-Tutf8", "-P-c", "-P-b", "-P-u", "-rHY=0", "-rLL=200n", PathOf(program)).Require(), "")
            .Replace('\u2010', '-').Replace('\u2212', '-');

    /// <summary>Those that have no commands of their own, such as "repair" and "kubernetes install".</summary>
    private static string[] Commands(string program, params string[] above)
    {
        string help = CommandResult.Run(Programs.PathOf(program), [.. above, "--help"]).Require();
        int commands = help.IndexOf("\nCommands:", StringComparison.Ordinal);
        return commands < 0
            ? [string.Join(' ', above)]
            : [.. Command().Matches(help[commands..]).SelectMany(match => Commands(program, [.. above, match.Groups[1].Value]))];
    }

    private static string[] Options(string text) => [.. Option().Matches(text).Select(match => match.Value).Distinct().Order(StringComparer.Ordinal)];

    private static IEnumerable<string> HelpTexts(string program)
    {
        string[][] calls = [["--help"], .. Commands(program).Select(command => (string[])[.. command.Split(' '), "--help"])];

        // Only where options are listed: descriptions name those of others.
        return calls.Select(call => CommandResult.Run(Programs.PathOf(program), call).Require())
            .Select(help => help[help.IndexOf("\nOptions:", StringComparison.Ordinal)..]);
    }

    [GeneratedRegex(@"(?<![\w-])--[a-z][a-z-]*")]
    private static partial Regex Option();

    [GeneratedRegex(@"(?m)^  ([a-z]+) ")]
    private static partial Regex Command();

    [GeneratedRegex(@"\[default: (.+?)\]")]
    private static partial Regex Default();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();

    [GeneratedRegex(@"\u001b\[[0-9;]*m|.\u0008")]
    private static partial Regex Formatting();
}
