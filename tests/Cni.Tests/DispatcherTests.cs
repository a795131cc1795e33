using System.IO.Pipes;
using System.Text;

namespace CniIsolator.Cni.Tests;

public sealed class DispatcherTests
{
    [Fact]
    public void A_failing_stdin_is_code_5() =>
        new Call("ADD") { Stdin = new FailingStream() }.Run().AssertError(5, "error reading from stdin: Input/output error");

    [Theory]
    [InlineData("")]
    [InlineData(" \n")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("1")]
    [InlineData("{} {}")]
    [InlineData("{\"name\":\"n\",}")]
    [InlineData("// c\n{\"name\":\"n\"}")]
    [InlineData("{\"name\":5}")]
    public void What_is_no_json_object_is_code_6(string stdin)
    {
        var call = new Call("ADD", stdin).Run();
        Assert.Equal((1, 6), (call.ExitCode, call.Code));
        Assert.StartsWith("error unmarshall network config: ", call.Message, StringComparison.Ordinal);
        Assert.Empty(call.Plugin.Requests);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("{\"name\":null}")]
    [InlineData("{\"name\":\"\"}")]
    public void A_missing_name_is_code_7(string stdin) => new Call("DEL", stdin).Run().AssertError(7, "missing network name");

    [Theory]
    [InlineData("a/b", "a/b")]
    [InlineData("_a", "_a")]
    [InlineData("a\\n", "a\n")]
    [InlineData("a\\u0000", "a\0")]
    [InlineData("a\\ud800", "a\ufffd")]
    [InlineData("\\udc00\\ud800", "\ufffd\ufffd")]
    [InlineData("\\ud83d\\ude00", "\U0001F600")]
    public void A_malformed_name_is_code_7(string name, string details) =>
        new Call("ADD", $$"""{"name":"{{name}}"}""").Run().AssertError(7, "invalid characters found in network name", details);

    [Fact]
    public void A_name_that_is_no_utf8_is_code_7()
    {
        byte[] json = [.. "{\"name\":\""u8, 0xff, .. "\"}"u8];
        new Call("ADD") { Stdin = new MemoryStream(json) }.Run()
            .AssertError(7, "invalid characters found in network name", "\ufffd");
    }

    [Theory]
    [InlineData("{\"Name\":\"n\",\"CNIVERSION\":\"0.4.0\"}", "0.4.0")]
    [InlineData("{\"NAME\":\"n\",\"cniversion\":\"1.0.0\"}", "1.0.0")]
    [InlineData("{\"name\":\"n\"}", "0.1.0")]
    [InlineData("{\"name\":\"n\",\"cniVersion\":\"\"}", "0.1.0")]
    [InlineData("{\"name\":\"n\",\"cniVersion\":null}", "0.1.0")]
    [InlineData("\uFEFF{\"name\":\"n\",\"cniVersion\":\"0.3.1\"}", "0.3.1")]
    public void The_result_has_the_version_of_the_configuration(string stdin, string version)
    {
        var call = new Call("ADD", stdin).Run();
        Assert.Equal(0, call.ExitCode);
        Assert.Equal(version, call.Reply.GetProperty("cniVersion").GetString());
        Assert.Equal(Samples.Text(Samples.Result.ToJson(CniVersion.Find(version)!)), call.Out);
    }

    [Theory]
    [InlineData("9.0.0")]
    [InlineData("1.1")]
    [InlineData("0.9.0")]
    [InlineData("v1.0.0")]
    [InlineData("1.0.0\\n")]
    public void Versions_are_matched_exactly(string version)
    {
        var shown = version.Replace("\\n", "\n", StringComparison.Ordinal);
        foreach (var command in new[] { "ADD", "DEL" })
        {
            new Call(command, $$"""{"name":"n","cniVersion":"{{version}}"}""").Run().AssertError(
                1,
                "incompatible CNI versions",
                $"config is \"{shown}\", plugin supports [\"0.1.0\" \"0.2.0\" \"0.3.0\" \"0.3.1\" \"0.4.0\" \"1.0.0\" \"1.1.0\"]");
        }
    }

    [Theory]
    [InlineData("1")]
    [InlineData("[\"1.0.0\"]")]
    [InlineData("true")]
    public void A_version_that_is_no_string_is_code_6(string version)
    {
        var call = new Call("ADD", $$"""{"name":"n","cniVersion":{{version}}}""").Run();
        Assert.Equal(6, call.Code);
        Assert.StartsWith("decoding version from network config: ", call.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("CHECK", "0.3.1", "config version does not allow CHECK")]
    [InlineData("CHECK", "0.1.0", "config version does not allow CHECK")]
    [InlineData("CHECK", "9.0.0", "plugin version does not allow CHECK")]
    [InlineData("GC", "1.0.0", "config version does not allow GC")]
    [InlineData("GC", "1.2.0", "plugin version does not allow GC")]
    [InlineData("STATUS", "1.0.0", "config version does not allow STATUS")]
    [InlineData("STATUS", "", "config version does not allow STATUS")]
    [InlineData("STATUS", "2.0.0", "plugin version does not allow STATUS")]
    [InlineData("CHECK", "0.9.0", "incompatible CNI versions")]
    [InlineData("GC", "1.1", "incompatible CNI versions")]
    public void Newer_commands_need_newer_versions(string command, string version, string message)
    {
        var call = new Call(command, $$"""{"name":"n","cniVersion":"{{version}}"}""").Run();
        Assert.Equal((1, 1, message), (call.ExitCode, call.Code, call.Message));
        Assert.Empty(call.Plugin.Requests);
    }

    [Theory]
    [InlineData("CHECK", "0.4.0")]
    [InlineData("CHECK", "1.0.0")]
    [InlineData("CHECK", "1.1.0")]
    [InlineData("GC", "1.1.0")]
    [InlineData("STATUS", "1.1.0")]
    [InlineData("DEL", "0.1.0")]
    public void All_but_add_say_nothing_on_success(string command, string version)
    {
        var call = new Call(command, $$"""{"name":"n","cniVersion":"{{version}}"}""").Run();
        Assert.Equal((0, "", ""), (call.ExitCode, call.Out, call.Err));
        Assert.Single(call.Plugin.Requests);
    }

    [Theory]
    [InlineData("ADD")]
    [InlineData("DEL")]
    [InlineData("CHECK")]
    [InlineData("GC")]
    [InlineData("STATUS")]
    public void Errors_of_the_plugin_are_passed_on(string command)
    {
        new Call(command) { Plugin = new() { OnCall = _ => throw new CniException(101, "port taken", "by c2") } }
            .Run().AssertError(101, "port taken", "by c2");
        new Call(command) { Plugin = new() { OnCall = _ => throw new InvalidOperationException("odd \"thing\"") } }
            .Run().AssertError(999, "odd \"thing\"", "InvalidOperationException");
    }

    [Fact]
    public void An_unforeseen_error_has_no_word_that_runtimes_take_for_success()
    {
        var call = new Call("DEL")
        {
            Plugin = new() { OnCall = _ => throw new IOException("X Not Found: No such file or directory") },
        }.Run();
        Assert.DoesNotContain("not found", call.Out, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("no such file", call.Out, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void The_error_reply_is_indented_and_has_the_version_of_the_configuration()
    {
        var call = new Call("ADD", """{"name":"n","cniVersion":"0.4.0"}""")
        {
            Plugin = new() { OnCall = _ => throw new CniException(102, "interface \"eth0\" exists") },
        }.Run();
        Assert.Equal(
            "{\n    \"cniVersion\": \"0.4.0\",\n    \"code\": 102,\n    \"msg\": \"interface \\\"eth0\\\" exists\"\n}", call.Out);
    }

    [Theory]
    [InlineData("half \ud800 pair")]
    [InlineData("nul \0 and \u001b escape")]
    public void Any_message_makes_valid_json(string message)
    {
        var call = new Call("ADD") { Plugin = new() { OnCall = _ => throw new CniException(100, message) } }.Run();
        Assert.Equal((1, 100), (call.ExitCode, call.Code));
    }

    [Theory]
    [InlineData("ADD")]
    [InlineData("DEL")]
    public void The_plugins_own_namespace_is_refused(string command)
    {
        var call = new Call(command) { Plugin = new() { OwnNetns = path => path == Samples.Netns } }.Run();
        call.AssertError(8, "plugin's netns and netns from CNI_NETNS should not be the same");
        if (command == "DEL")
        {
            // What it owns on the host is released all the same, without going into the namespace.
            Assert.Equal("", call.Plugin.Requests.Single().Netns);
        }
        else
        {
            Assert.Empty(call.Plugin.Requests);
        }
    }

    [Theory]
    [InlineData("1")]
    [InlineData("true")]
    [InlineData("TRUE")]
    public void The_plugins_own_namespace_can_be_forced(string value) => Assert.Equal(
        0, new Call("ADD") { Plugin = new() { OwnNetns = _ => true } }.With("CNI_NETNS_OVERRIDE", value).Run().ExitCode);

    [Fact]
    public void A_delete_without_namespace_is_not_asked_about_it() => Assert.Equal(
        0, new Call("DEL") { Plugin = new() { OwnNetns = _ => true } }.With("CNI_NETNS", "").Run().ExitCode);

    [Fact]
    public void A_result_that_cannot_be_written_is_taken_back()
    {
        var call = new Call("ADD") { Stdout = new FailingStream() }.Run();
        Assert.Equal(1, call.ExitCode);
        Assert.Single(call.Plugin.Undelivered);
        Assert.Contains("Broken pipe", call.Err, StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_that_cannot_be_written_is_not_taken_back()
    {
        var call = new Call("ADD")
        {
            Stdout = new FailingStream(),
            Plugin = new() { OnCall = _ => throw new CniException(100, "full") },
        }.Run();
        Assert.Equal(1, call.ExitCode);
        Assert.Empty(call.Plugin.Undelivered);
    }

    [Fact]
    public void A_closed_pipe_is_noticed()
    {
        using var server = new AnonymousPipeServerStream(PipeDirection.In);
        using var client = new FileStream(
            new Microsoft.Win32.SafeHandles.SafeFileHandle(
                server.ClientSafePipeHandle.DangerousGetHandle(), ownsHandle: false), FileAccess.Write, bufferSize: 0);
        var writable = new Call("ADD") { Stdout = client }.Run();
        Assert.Equal(0, writable.ExitCode);
        server.SafePipeHandle.Dispose();
        var call = new Call("ADD") { Stdout = client }.Run();
        Assert.Equal(1, call.ExitCode);
        Assert.Single(call.Plugin.Undelivered);
    }

    [Fact]
    public void A_result_that_its_version_cannot_express_is_taken_back()
    {
        var call = new Call("ADD", """{"name":"n"}""") { Plugin = new() { Result = new CniResult() } }.Run();
        Assert.Equal((1, 999), (call.ExitCode, call.Code));
        Assert.Single(call.Plugin.Undelivered);
    }

    [Fact]
    public void A_chained_add_puts_out_both_results()
    {
        var previous = Samples.Text(new CniResult
        {
            Interfaces = [new CniInterface("br0"), new CniInterface("net1", "02:00:00:00:00:09", Sandbox: Samples.Netns)],
            Ips = [new CniIp("10.0.0.5/24", null, 1)],
            Dns = new CniDns { Nameservers = ["10.0.0.1"] },
        }.ToJson(CniVersion.Newest));
        var call = new Call("ADD", $$"""{"name":"n","cniVersion":"1.0.0","prevResult":{{previous}}}""").Run();
        var names = call.Reply.GetProperty("interfaces").EnumerateArray().Select(i => i.GetProperty("name").GetString());
        Assert.Equal(["br0", "net1", "pmi0123456789ab", "eth0"], names);
        Assert.Equal([1, 3], call.Reply.GetProperty("ips").EnumerateArray().Select(i => i.GetProperty("interface").GetInt32()));
        Assert.Equal("10.0.0.1", call.Reply.GetProperty("dns").GetProperty("nameservers")[0].GetString());
    }

    [Fact]
    public void A_previous_result_that_cannot_be_read_stops_add_before_it_starts_but_not_delete()
    {
        const string stdin = """{"name":"n","cniVersion":"1.0.0","prevResult":{"ips":[{"interface":0,"address":"10.0.0.5/24"}]}}""";
        var add = new Call("ADD", stdin).Run();
        Assert.Equal((1, 6), (add.ExitCode, add.Code));
        Assert.Contains("prevResult.ips[0].interface: 0", add.Message, StringComparison.Ordinal);
        Assert.Empty(add.Plugin.Requests);
        Assert.Equal(0, new Call("DEL", stdin).Run().ExitCode);
    }

    [Fact]
    public void A_configuration_of_more_than_a_mebibyte_is_refused()
    {
        var padding = new string('x', CniConfig.MaxBytes);
        var call = new Call("ADD", $$"""{"name":"n","a":"{{padding}}"}""").Run();
        Assert.Equal(6, call.Code);
        Assert.Contains("longer than 1048576 bytes", call.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_nesting_is_refused()
    {
        var call = new Call("ADD", "{\"name\":\"n\",\"a\":" + new string('[', 100_000) + new string(']', 100_000) + "}").Run();
        Assert.Equal(6, call.Code);
    }

    [Fact]
    public void A_stdin_that_comes_in_pieces_is_read_to_its_end()
    {
        var call = new Call("ADD") { Stdin = new TrickleStream(Encoding.UTF8.GetBytes("""{"name":"n","cniVersion":"1.0.0"}""")) }.Run();
        Assert.Equal(0, call.ExitCode);
    }

    private sealed class TrickleStream(byte[] content) : MemoryStream(content)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(1, buffer.Length)]);
    }
}
