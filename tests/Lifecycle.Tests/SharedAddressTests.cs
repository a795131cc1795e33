using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>A master with several addresses: which one containers share, and that it stays one.</summary>
public sealed class SharedAddressTests : IDisposable
{
    private const string First = "10.77.0.2";
    private const string Second = "10.77.0.8";
    private readonly Bed _bed;

    public SharedAddressTests()
    {
        _bed = new Bed();
        _bed.Host.Ip($"address add {Second}/24 dev eth0");
    }

    public void Dispose() => _bed.Dispose();

    [Fact]
    public async Task The_key_chooses_the_second_one()
    {
        NetworkConfig config = _bed.Config.With("address", Second);
        Namespace container = Added("c1", Second, config.WithPorts(31005));
        _bed.Plugin.Check(container, "c1", config: config.WithPorts(31005)).Require();
        _bed.Plugin.Status(config).Require();
        await AssertReachesAsync(_bed.Net.Out, container, Second);
        await AssertSendsFromAsync(container, Second);
        _bed.Plugin.Del(container, "c1", config: config).Require();
        Assert.Empty(_bed.Records);
    }

    [Fact]
    public async Task The_host_itself_reaches_one_with_a_prefix_length_of_its_own()
    {
        const string Third = "10.77.0.9";
        NetworkConfig config = _bed.Config.With("address", Third);
        _bed.Host.Ip($"address add {Third}/32 dev eth0");
        Namespace container = Added("c1", Third, config.WithPorts(31005), 32);
        await AssertReachesAsync(_bed.Host, container, Third);
        await AssertReachesAsync(_bed.Host, container, "127.0.0.1");
        await AssertReachesAsync(_bed.Net.Out, container, Third);
        await AssertSendsFromAsync(container, Third);
        Assert.DoesNotContain("secondary", Doctor(config).Output, StringComparison.Ordinal);
        Bed.Says(Doctor(_bed.Config.With("address", Second)).Output, $"warning  master: {Second}/24 is a secondary address of eth0", "such as /32");
    }

    [Fact]
    public void Without_the_key_it_is_the_first_one() => Added("c1", First);

    [Fact]
    public async Task Without_the_key_the_source_of_the_default_route_is_taken()
    {
        PreferSecond();
        Namespace container = Added("c1", Second, _bed.Config.WithPorts(31005));
        _bed.Plugin.Check(container, "c1", config: _bed.Config.WithPorts(31005)).Require();
        await AssertReachesAsync(_bed.Net.Out, container, Second);
        await AssertSendsFromAsync(container, Second);
    }

    [Fact]
    public void A_source_that_is_not_the_master_s_is_passed_over()
    {
        _bed.Host.Ip("address add 192.0.2.9/32 dev lo");
        _bed.Host.Ip("route replace default via 10.77.0.1 dev eth0 src 192.0.2.9");
        Added("c1", First);
    }

    [Fact]
    public async Task A_new_container_shares_what_those_that_run_share()
    {
        Namespace first = Added("c1", Second, _bed.Config.With("address", Second).WithPorts(31005));
        Namespace second = Added("c2", Second, _bed.Config.WithPorts(31006));
        await AssertReachesAsync(_bed.Net.Out, first, Second);
        await AssertReachesAsync(_bed.Net.Out, second, Second, 31006);

        // Whatever the default route says by now.
        _bed.Host.Ip($"route replace default via 10.77.0.1 dev eth0 src {First}");
        Added("c3", Second);
        _bed.Plugin.Check(first, "c1", config: _bed.Config.WithPorts(31005)).Require();
        CommandResult repaired = _bed.Plugin.CommandLine("repair", "--all");
        Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, repaired.ToString());
        Assert.Equal(Second, (string?)_bed.Record("c1")["host"]!["address"]);
    }

    [Fact]
    public void An_address_that_containers_have_and_the_host_has_not_is_passed_over()
    {
        Added("c1", Second, _bed.Config.With("address", Second));
        _bed.Host.Ip($"address del {Second}/24 dev eth0");
        _bed.Host.Ip("address add 10.77.0.9/24 dev eth0");
        Added("c2", First);
    }

    [Theory]
    [InlineData("10.77.0.77")]
    [InlineData("10.77.0.1")]
    [InlineData("127.0.0.1")]
    [InlineData("0.0.0.0")]
    public void An_address_that_the_master_has_not_is_code_7(string address)
    {
        NetworkConfig config = _bed.Config.With("address", address);
        Namespace container = _bed.Container();
        Bed.Fails(_bed.Plugin.Add(container, "c1", config: config), 7, $"address \"{address}\"", "eth0", $"{First}/24", $"{Second}/24");
        Bed.Fails(_bed.Plugin.Status(config), 50, $"address \"{address}\"", "eth0");
        Assert.Empty(_bed.Records);
        CommandResult told = Doctor(config);
        Assert.Equal(1, told.ExitCode);
        Bed.Says(
            told.Output,
            $"FAULT    master: address \"{address}\": eth0 has no such address, it has {First}/24, {Second}/24",
            "-> name one of those, or leave the key out");
    }

    [Theory]
    [InlineData("eth0")]
    [InlineData("10.77.0.8/24")]
    [InlineData("fd00::8")]
    public void What_is_no_address_is_code_7(string address) =>
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c1", config: _bed.Config.With("address", address)), 7, "address:", address, "no IPv4 address");

    [Fact]
    public void While_containers_share_one_another_is_refused()
    {
        Namespace first = Added("c1", First);
        NetworkConfig config = _bed.Config.With("address", Second);
        Bed.Fails(_bed.Plugin.Add(_bed.Container(), "c2", config: config), 7, $"address \"{Second}\"", $"share {First} already", "testnet/c1/eth0");
        Bed.Fails(_bed.Plugin.Check(first, "c1", config: config), 106, $"address of eth0: expected {First}/24, found {Second}/24");
        _bed.Plugin.Del(first, "c1").Require();
        Added("c2", Second, config);
    }

    [Fact]
    public void Doctor_says_which_one_is_shared_and_why()
    {
        Bed.Says(
            Doctor(_bed.Config).Output,
            "warning  master: eth0 has several addresses",
            $"share {First}/24, the first, and have nothing to do with {Second}/24");
        PreferSecond();
        Bed.Says(
            Doctor(_bed.Config).Output,
            $"share {Second}/24, the source of the default route,",
            $"-> say which in the configuration: \"address\": \"{Second}\"");
        Added("c1", First, _bed.Config.With("address", First));
        Bed.Says(Doctor(_bed.Config).Output, $"share {First}/24, which those that run have already,");

        // What it advises ends the warning.
        string told = Doctor(_bed.Config.With("address", First)).Output;
        Bed.Says(told, $"ok       master: eth0 with {First}/24");
        Assert.DoesNotContain("several addresses", told, StringComparison.Ordinal);
    }

    private void PreferSecond() => _bed.Host.Ip($"route replace default via 10.77.0.1 dev eth0 src {Second}");

    private Namespace Added(string id, string address, NetworkConfig? config = null, int prefix = 24)
    {
        Namespace container = _bed.Container();
        _bed.Plugin.Add(container, id, config: config).Require();
        Assert.Equal(address, (string?)_bed.Record(id)["host"]!["address"]);
        Assert.Contains($"inet {address}/{prefix}", container.Ip("-4 address show dev eth0"), StringComparison.Ordinal);
        return container;
    }

    private CommandResult Doctor(NetworkConfig config)
    {
        string file = _bed.Store + ".conf";
        File.WriteAllText(file, config.ToJson().ToJsonString());
        return _bed.Plugin.CommandLine("doctor", "--config", file);
    }

    private static async Task AssertReachesAsync(Namespace from, Namespace container, string address, int port = 31005)
    {
        using EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, port);
        ProbeResult result = await Probe.RunAsync(from, Transport.Tcp, new IPEndPoint(IPAddress.Parse(address), port));
        Assert.True(result.Ok, $"{from} to {address}: {result}");
    }

    private async Task AssertSendsFromAsync(Namespace container, string address)
    {
        using EchoServer server = EchoServer.Start(_bed.Net.Out, Transport.Tcp, _bed.Net.OutAddress, 7007);
        ProbeResult result = await Probe.RunAsync(container, Transport.Tcp, server.EndPoint);
        Assert.True(result.Ok && IPAddress.Parse(address).Equals(result.Peer?.Address), result.ToString());
    }
}
