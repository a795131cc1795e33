using System.Net.Sockets;

namespace CniIsolator.DataPath.Tests;

/// <summary>Ports that containers get without asking for a number.</summary>
public sealed class SliceTests
{
    [Theory]
    [InlineData(Transport.Tcp)]
    [InlineData(Transport.Udp)]
    public void Port_0_is_a_port_of_the_slice(Transport transport)
    {
        using Site site = new(2);
        foreach (Container container in site.Containers)
        {
            List<Socket> sockets = [];
            try
            {
                container.Place.Run(() =>
                {
                    for (int count = 0; count < 200; count++)
                    {
                        Socket socket = transport == Transport.Tcp
                            ? new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
                            : new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                        sockets.Add(socket);
                        socket.Bind(new IPEndPoint(IPAddress.Any, 0));
                    }
                });
                int[] ports = [.. sockets.Select(socket => ((IPEndPoint)socket.LocalEndPoint!).Port)];
                Assert.Equal(200, ports.Distinct().Count());
                Assert.All(ports, port => Assert.InRange(port, container.SliceBegin, container.SliceEnd));
            }
            finally
            {
                sockets.ForEach(socket => socket.Dispose());
            }
        }
    }

    [Theory]
    [InlineData(Transport.Tcp)]
    [InlineData(Transport.Udp)]
    public async Task The_outside_sees_the_shared_address_and_a_port_of_the_slice(Transport transport)
    {
        using Site site = new(2);
        using EchoServer server = EchoServer.Start(site.Out, transport, site.OutAddress, Site.ServerPort);
        foreach (Container container in site.Containers)
        {
            for (int count = 0; count < 20; count++)
            {
                ProbeResult result = await Probe.RunAsync(container.Place, transport, server.EndPoint);
                Assert.True(result.Ok, result.ToString());
                Assert.Equal(site.HostAddress, result.Peer!.Address);
                Assert.InRange(result.Peer.Port, container.SliceBegin, container.SliceEnd);
            }
        }

        site.AssertQuiet();
    }

    [Fact]
    public async Task Containers_of_two_networks_on_one_master_talk_and_share_no_port()
    {
        using Site site = new(2);
        NetworkConfig second = site.Plugin.Config with { Name = "othernet" };
        Container[] all =
        [
            .. site.Containers, site.Add(31100, second.WithPorts(31100)), site.Add(31101, second.WithPorts(31101)),
        ];
        Container[] ordered = [.. all.OrderBy(one => one.SliceBegin)];
        for (int index = 1; index < ordered.Length; index++)
        {
            Assert.True(ordered[index - 1].SliceEnd < ordered[index].SliceBegin, $"{ordered[index - 1]} and {ordered[index]}");
        }

        foreach (Transport transport in Enum.GetValues<Transport>())
        {
            foreach (Container server in all)
            {
                using EchoServer echo = EchoServer.Start(server.Place, transport, IPAddress.Any, server.Port);
                foreach (Container client in all)
                {
                    ProbeResult result = await Probe.RunAsync(client.Place, transport, site.AtHost(server.Port));
                    Assert.True(result.Ok, $"{client.Id} -> {server.Id}: {result}");
                }

                Assert.True((await Probe.RunAsync(site.Out, transport, site.AtHost(server.Port))).Ok);
            }
        }

        site.AssertQuiet();
    }
}
