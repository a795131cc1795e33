using System.Collections.Concurrent;
using System.Net.Sockets;

namespace CniIsolator.DataPath.Tests;

/// <summary>Traffic of a container whose ports change while it runs.</summary>
public sealed class UpdateTests
{
    private const int First = 31000;
    private const int Ports = 16;

    [Fact]
    public async Task Ports_that_come_receive_and_ports_that_go_neither_receive_nor_send()
    {
        using Site site = Quick();
        Container container = site.C1;
        using EchoServer tcpOut = EchoServer.Start(site.Out, Transport.Tcp, site.OutAddress, Site.ServerPort);
        using EchoServer udpOut = EchoServer.Start(site.Out, Transport.Udp, site.OutAddress, Site.ServerPort);
        foreach ((string ports, int[] owned) in new (string, int[])[]
                 {
                     ("31004", [31004]), ("31004-31005", [31004, 31005]), ("31004-31007", [31004, 31005, 31007]), ("31007", [31007]), ("none", []), ("31005", [31005]),
                 })
        {
            Update(site, ports);
            foreach (int port in new[] { 31004, 31005, 31007, 31000 })
            {
                foreach (Transport transport in Enum.GetValues<Transport>())
                {
                    bool wanted = owned.Contains(port);
                    using (EchoServer server = EchoServer.Start(container.Place, transport, IPAddress.Any, port))
                    {
                        foreach (Namespace from in new[] { site.Out, site.Host, site.C2.Place })
                        {
                            ProbeResult result = await Probe.RunAsync(from, transport, site.AtHost(port), Patience(wanted));
                            Assert.True(result.Ok == wanted, $"--ports {ports}, {from} to {transport} {port}: {result}");
                        }
                    }

                    ProbeResult sent = await Probe.RunAsync(container.Place, transport, site.AtOut(), Patience(wanted) with { SourcePort = port });
                    Assert.True(sent.Ok == wanted, $"--ports {ports}, out of {transport} {port}: {sent}");
                }
            }
        }

        site.AssertQuiet();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20260)]
    public async Task After_each_of_many_random_changes_the_ports_that_answer_are_those_of_the_model(int seed)
    {
        using Site site = Quick();
        Update(site, "31101");
        KernelState alone = KernelState.Snapshot(site.Host);
        Container container = site.Add(First);
        List<EchoServer> servers = [];
        try
        {
            for (int port = First; port < First + Ports; port++)
            {
                servers.AddRange(Enum.GetValues<Transport>().Select(transport => EchoServer.Start(container.Place, transport, IPAddress.Any, port)));
            }

            Random random = new(seed);
            for (int round = 0; round < 30; round++)
            {
                // Ranges of any size and alignment, for one protocol or both; sometimes none.
                List<(int Begin, int End, string Protocol)> ranges = [.. Enumerable.Range(0, random.Next(5)).Select(_ =>
                {
                    int begin = random.Next(Ports);
                    return (First + begin, First + Math.Min(begin + random.Next(8), Ports - 1), new[] { "", "/tcp", "/udp" }[random.Next(3)]);
                })];
                string ports = ranges.Count == 0 ? "none" : string.Join(',', ranges.Select(one => $"{one.Begin}-{one.End}{one.Protocol}"));
                Update(site, ports, container.Id);
                PluginResult check = site.Plugin.Check(container.Place, container.Id);
                Assert.True(check.Succeeded, $"round {round}, {ports}: {check}");
                string[] found = await Task.WhenAll(servers.Select(server => ProbeAsync(site, server)));
                string[] model = [.. servers.Select(server => Word(server, ranges.Exists(one =>
                    server.EndPoint.Port >= one.Begin && server.EndPoint.Port <= one.End && (one.Protocol.Length == 0 || one.Protocol[1..] == Protocol(server)))))];
                Assert.True(model.SequenceEqual(found), $"round {round}, {ports}: {string.Join(", ", model.Except(found))} but {string.Join(", ", found.Except(model))}");
            }
        }
        finally
        {
            servers.ForEach(server => server.Dispose());
        }

        site.Plugin.Del(container.Place, container.Id).Require();
        Assert.Equal("", alone.Diff(KernelState.Snapshot(site.Host)));

        string Protocol(EchoServer server) => servers.IndexOf(server) % 2 == (int)Transport.Tcp ? "tcp" : "udp";
        string Word(EchoServer server, bool answers) => $"{server.EndPoint.Port}/{Protocol(server)} {(answers ? "answers" : "refuses")}";
        async Task<string> ProbeAsync(Site site, EchoServer server)
        {
            ProbeResult result = await Probe.RunAsync(
                site.Out, Protocol(server) == "tcp" ? Transport.Tcp : Transport.Udp, site.AtHost(server.EndPoint.Port), new ProbeOptions { Timeout = TimeSpan.FromSeconds(5) });
            return result.Outcome is ProbeOutcome.Reply or ProbeOutcome.Refused ? Word(server, result.Ok) : $"{server.EndPoint.Port}: {result}";
        }
    }

    /// <summary>The ports that stay are now a block of their own, now a part of a larger one.</summary>
    [Fact]
    public async Task While_other_ports_come_and_go_no_datagram_of_the_others_is_lost_and_no_stream_breaks()
    {
        using Site site = Quick();
        Container container = site.C1;
        Update(site, "31000,31003");
        int slice = container.SliceBegin + 5;
        using EchoServer fixedUdp = EchoServer.Start(container.Place, Transport.Udp, IPAddress.Any, 31000);
        using EchoServer middleUdp = EchoServer.Start(container.Place, Transport.Udp, IPAddress.Any, 31003);
        using EchoServer sliceUdp = EchoServer.Start(container.Place, Transport.Udp, IPAddress.Any, slice);
        using EchoServer tcp = EchoServer.Start(container.Place, Transport.Tcp, IPAddress.Any, 31000);
        using CancellationTokenSource stop = new();
        List<Task<string>> flows = [];
        foreach (Namespace from in new[] { site.Out, site.Host, site.C2.Place })
        {
            flows.AddRange(new[] { 31000, 31003, slice }.Select(port => Task.Run(() => FlowAsync(from, site.AtHost(port), stop.Token))));
        }

        Task<string> streams = Task.Run(() => StreamsAsync(site, stop.Token));
        string[] changes = ["31000-31003", "31000-31007", "31003,31000,31005/udp", "31000-31001,31003,31010", "31000-31015", "31000,31003"];
        try
        {
            for (int count = 0; count < 42; count++)
            {
                await Task.Run(() => Update(site, changes[count % changes.Length]));
            }
        }
        finally
        {
            await stop.CancelAsync();
        }

        Assert.All(await Task.WhenAll(flows), Assert.Empty);
        Assert.Equal("", await streams);
        site.AssertQuiet();
    }

    /// <summary>A host whose refusals are not rationed: what is nobody's port says so at once.</summary>
    private static Site Quick()
    {
        Site site = new(2);
        site.Host.Sysctl("net/ipv4/icmp_ratemask", "0");
        Update(site, "31100", "c2");
        return site;
    }

    private static ProbeOptions Patience(bool wanted) => wanted ? ProbeOptions.Small : ProbeOptions.Hopeless;

    private static void Update(Site site, string ports, string id = "c1") => site.Plugin.CommandLine("update", id, "--ports", ports).Require();

    /// <summary>Numbered datagrams, sixteen at a time, and which of them never came back.</summary>
    private static async Task<string> FlowAsync(Namespace from, IPEndPoint to, CancellationToken stop)
    {
        using Socket socket = from.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        await socket.ConnectAsync(to, CancellationToken.None);
        ConcurrentDictionary<int, bool> outstanding = new();
        using CancellationTokenSource end = new();
        Task receiving = Task.Run(async () =>
        {
            byte[] buffer = new byte[64];
            while (!end.IsCancellationRequested)
            {
                try
                {
                    int count = await socket.ReceiveAsync(buffer, end.Token);
                    outstanding.TryRemove(count == 8 ? BitConverter.ToInt32(buffer, 4) : -1, out _);
                }
                catch (Exception error) when (error is SocketException or OperationCanceledException)
                {
                    // All has come or never will, or one was refused and stays outstanding.
                }
            }
        }, CancellationToken.None);
        int number = 0;
        while (!stop.IsCancellationRequested)
        {
            outstanding[number] = true;
            try
            {
                await socket.SendAsync(new byte[4].Concat(BitConverter.GetBytes(number++)).ToArray(), CancellationToken.None);
            }
            catch (SocketException)
            {
                // The refusal of an earlier one, told here: neither has come.
            }

            // Never more under way than a busy machine's socket buffers hold, some 270, for three that send to one server.
            while (number % 16 == 0 && !stop.IsCancellationRequested)
            {
                await Task.Delay(1, CancellationToken.None);
                if (outstanding.Count <= 16)
                {
                    break;
                }
            }
        }

        Wait.For(() => outstanding.IsEmpty, TimeSpan.FromSeconds(5));
        await end.CancelAsync();
        await receiving;
        return number < 20 ? $"{from} to {to}: only {number} datagrams" : outstanding.IsEmpty ? "" : $"{from} to {to}: {outstanding.Count} of {number} lost";
    }

    private static async Task<string> StreamsAsync(Site site, CancellationToken stop)
    {
        do
        {
            ProbeResult result = await Probe.RunAsync(site.Out, Transport.Tcp, site.AtHost(31000), ProbeOptions.Bulk);
            if (!result.Ok)
            {
                return result.ToString();
            }
        }
        while (!stop.IsCancellationRequested);

        return "";
    }
}
