using System.Diagnostics;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Exporter;

/// <summary>
/// The least that any program needs to see what a base scrape sees: the kernel's dumps by themselves, over connections that are open, with nothing made of the answers.
/// </summary>
internal sealed class DumpFloor : IDisposable
{
    private const uint Link64 = 1; // IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)

    private readonly byte[] _buffer = new byte[NetlinkConnection.BufferBytes];
    private readonly NetlinkConnection _host;
    private readonly List<NetlinkConnection> _containers = [];

    public DumpFloor(CrowdedHost host)
    {
        _host = Open(host.Topology.Host);
        foreach (Namespace container in host.Topology.Containers)
        {
            _containers.Add(Open(container));
        }
    }

    /// <summary>Milliseconds of the counters of all links on the host.</summary>
    public Sample Links { get; } = new();

    /// <summary>Milliseconds of all qdiscs on the host.</summary>
    public Sample Qdiscs { get; } = new();

    /// <summary>Milliseconds of the qdiscs in all containers, where limits of what they send stand.</summary>
    public Sample Inside { get; } = new();

    public void Measure(int times)
    {
        for (int i = 0; i < times; i++)
        {
            Links.Add(Time(() => Dump(_host, RouteMessage.GetStatistics, new StatisticsHeader { FilterMask = Link64 })));
            Qdiscs.Add(Time(() => Dump(_host, RouteMessage.GetQdisc, default(TcHeader))));
            Inside.Add(Time(() =>
            {
                foreach (NetlinkConnection container in _containers)
                {
                    Dump(container, RouteMessage.GetQdisc, default(TcHeader));
                }
            }));
        }
    }

    public void Dispose()
    {
        _host.Dispose();
        foreach (NetlinkConnection container in _containers)
        {
            container.Dispose();
        }
    }

    private NetlinkConnection Open(Namespace place) => place.Run(() => NetlinkConnection.Open(buffer: _buffer));

    private static double Time(Action action)
    {
        long started = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static void Dump<T>(NetlinkConnection connection, RouteMessage dump, T header)
        where T : unmanaged
    {
        NetlinkBatch request = new(256);
        using (MessageWriter message = request.Message((ushort)dump, MessageFlags.Dump, "dump"))
        {
            message.Structure(header);
        }

        connection.Dump(request, _ => { }, () => { });
    }
}
