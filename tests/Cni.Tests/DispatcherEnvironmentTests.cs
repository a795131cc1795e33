namespace CniIsolator.Cni.Tests;

public sealed class DispatcherEnvironmentTests
{
    private static readonly string[] Variables = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"];

    [Theory]
    [InlineData("ADD", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH")]
    [InlineData("CHECK", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH")]
    [InlineData("DEL", "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH")]
    [InlineData("GC", "CNI_PATH")]
    [InlineData("STATUS", "CNI_PATH")]
    [InlineData("VERSION", "")]
    public void Each_command_requires_its_variables_and_no_others(string command, string required)
    {
        var names = required.Split(',', StringSplitOptions.RemoveEmptyEntries);
        foreach (var variable in Variables)
        {
            foreach (var absent in new[] { null, "" })
            {
                var call = new Call(command).With(variable, absent).Run();
                if (names.Contains(variable))
                {
                    call.AssertError(4, $"required env variables [{variable}] missing");
                }
                else
                {
                    Assert.Equal(0, call.ExitCode);
                }
            }
        }

        var bare = new Call(command);
        foreach (var variable in Variables)
        {
            bare.With(variable, null);
        }

        bare.Run();
        if (names.Length > 0)
        {
            bare.AssertError(4, $"required env variables [{required}] missing");
            Assert.Empty(bare.Plugin.Requests);
        }
        else
        {
            Assert.Equal(0, bare.ExitCode);
        }
    }

    [Theory]
    [InlineData("_a")]
    [InlineData("-a")]
    [InlineData(".a")]
    [InlineData("a/b")]
    [InlineData("a\n")]
    [InlineData("a b")]
    [InlineData("é")]
    public void A_malformed_container_id_is_named(string id) =>
        new Call("ADD").With("CNI_CONTAINERID", id).Run().AssertError(4, "invalid characters in containerID", id);

    [Theory]
    [InlineData("a")]
    [InlineData("default-w1")]
    [InlineData("8f14e45f-ceea-467f-ab2c-3d7d3c1b0a55.6f1ed002-ab5d-4ef7-9a3b-0c1f9a8b7c6d")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123456789")]
    public void Container_ids_of_runtimes_pass(string id) =>
        Assert.Equal(0, new Call("ADD").With("CNI_CONTAINERID", id).Run().ExitCode);

    [Theory]
    [InlineData("0123456789abcdef", "interface name is too long", "interface name should be less than 16 characters")]
    [InlineData("éééééééé", "interface name is too long", "interface name should be less than 16 characters")]
    [InlineData(".", "interface name is . or ..", null)]
    [InlineData("..", "interface name is . or ..", null)]
    [InlineData("a/b", "interface name contains / or : or whitespace characters", null)]
    [InlineData("a:b", "interface name contains / or : or whitespace characters", null)]
    [InlineData("a b", "interface name contains / or : or whitespace characters", null)]
    [InlineData("a\n", "interface name contains / or : or whitespace characters", null)]
    [InlineData("a\u0085", "interface name contains / or : or whitespace characters", null)]
    [InlineData("a\u3000", "interface name contains / or : or whitespace characters", null)]
    public void A_malformed_interface_name_is_refused(string name, string message, string? details) =>
        new Call("DEL").With("CNI_IFNAME", name).Run().AssertError(4, message, details);

    [Theory]
    [InlineData("0123456789abcde")]
    [InlineData("ééééééé")]
    [InlineData("a")]
    [InlineData("...")]
    [InlineData("eth0.1@x")]
    public void Interface_names_up_to_15_bytes_pass(string name) =>
        Assert.Equal(0, new Call("ADD").With("CNI_IFNAME", name).Run().ExitCode);

    [Fact]
    public void A_malformed_value_is_reported_before_missing_ones() =>
        new Call("ADD").With("CNI_CONTAINERID", "_a").With("CNI_NETNS", null).With("CNI_PATH", null).Run()
            .AssertError(4, "invalid characters in containerID", "_a");

    [Theory]
    [InlineData("GC")]
    [InlineData("STATUS")]
    [InlineData("VERSION")]
    public void Values_a_command_does_not_need_are_not_validated(string command) =>
        Assert.Equal(0, new Call(command).With("CNI_CONTAINERID", "_a").With("CNI_IFNAME", "a/b").Run().ExitCode);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void Without_a_command_the_about_text_goes_to_stderr(string? command)
    {
        var stdin = new FailingStream();
        var call = new Call(command) { Stdin = stdin }.With("CNI_CONTAINERID", "_a").Run();
        Assert.Equal(0, call.ExitCode);
        Assert.Equal("", call.Out);
        Assert.Equal(
            "CNI plugin cni-portmap-isolate v0.1.0\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n",
            call.Err);
        Assert.Equal(0, stdin.Reads);
    }

    [Fact]
    public void Version_never_reads_stdin()
    {
        var stdin = new FailingStream();
        var call = new Call("VERSION") { Stdin = stdin }.Run();
        Assert.Equal((0, 0), (call.ExitCode, stdin.Reads));
        Assert.Equal("1.1.0", call.Reply.GetProperty("cniVersion").GetString());
        Assert.Equal(
            ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
            call.Reply.GetProperty("supportedVersions").EnumerateArray().Select(v => v.GetString()));
    }

    [Fact]
    public void Version_works_with_the_dummies_podman_sends() =>
        Assert.Equal(0, new Call("VERSION", "garbage").With("CNI_NETNS", "dummy").With("CNI_IFNAME", "dummy")
            .With("CNI_PATH", "dummy").With("CNI_CONTAINERID", "").Run().ExitCode);

    [Theory]
    [InlineData("FOO")]
    [InlineData("add")]
    [InlineData("DEL ")]
    public void An_unknown_command_is_reported_even_without_variables(string command)
    {
        var call = new Call(command);
        foreach (var variable in Variables)
        {
            call.With(variable, null);
        }

        call.Run().AssertError(4, $"unknown CNI_COMMAND: {command}");
    }

    [Fact]
    public void An_unknown_command_is_reported_after_the_name_and_before_the_version()
    {
        new Call("FOO", "{}").Run().AssertError(7, "missing network name");
        new Call("FOO", """{"name":"n","cniVersion":9}""").Run().AssertError(4, "unknown CNI_COMMAND: FOO");
    }

    [Theory]
    [InlineData("CNI_ARGS", "")]
    [InlineData("CNI_ARGS", "FOO;=;A=b=c")]
    public void Arguments_never_make_a_call_fail(string name, string value) =>
        Assert.Equal(0, new Call("ADD").With(name, value).Run().ExitCode);

    [Fact]
    public void The_request_has_every_variable()
    {
        var request = new Call("ADD").With("CNI_ARGS", "A=1").Run().Plugin.Requests.Single();
        Assert.Equal(
            (CniCommand.Add, "c1", Samples.Netns, "eth0", "/opt/cni/bin", "1", "net", CniVersion.Newest),
            (request.Command, request.ContainerId, request.Netns, request.IfName, request.Path, request.Args["A"], request.Config.Name, request.Version));
    }
}
