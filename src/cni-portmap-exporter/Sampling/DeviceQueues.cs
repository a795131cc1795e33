using CniIsolator.DataPath;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Exporter.Sampling;

/// <summary>The qdiscs of one device that tell something of a container.</summary>
internal sealed class DeviceQueues
{
    private TcStatistic? _limit;
    private TcStatistic? _leaf;
    private TcStatistic? _filters;

    /// <summary>Whether there is a shaper of ours: its rate is not looked at.</summary>
    public bool HasLimit => _limit is not null;

    /// <summary>
    /// Packets that filters on the device's ingress dropped since it was made. Nothing hangs on the other hook that clsact counts together
    /// with it. Null without a clsact.
    /// </summary>
    public ulong? FilterDrops => _filters?.Counters.Drops;

    /// <summary>Of qdiscs that are all one device's.</summary>
    public static DeviceQueues Of(List<TcStatistic> qdiscs)
    {
        var device = new DeviceQueues();
        foreach (var qdisc in qdiscs)
        {
            device.Add(qdisc);
        }

        return device;
    }

    /// <summary>Sorts qdiscs by the index of their device.</summary>
    public static Dictionary<int, DeviceQueues> ByDevice(List<TcStatistic> qdiscs)
    {
        var devices = new Dictionary<int, DeviceQueues>();
        foreach (var qdisc in qdiscs)
        {
            if (!devices.TryGetValue(qdisc.Index, out var device))
            {
                devices.Add(qdisc.Index, device = new DeviceQueues());
            }

            device.Add(qdisc);
        }

        return devices;
    }

    /// <summary>Adds the limit and the queue behind it, as far as they are there.</summary>
    /// <param name="queues">Where to add them.</param>
    /// <param name="direction">Empty, or what stands before the names for what a container receives.</param>
    public void AddTo(List<QueueSample> queues, string direction)
    {
        if (_limit is not null)
        {
            queues.Add(new QueueSample(direction + QueueSample.Limit, _limit.Counters, null));
        }

        if (_leaf is not null)
        {
            queues.Add(new QueueSample(direction + QueueSample.FairQueue, _leaf.Counters, _leaf.FqCodel));
        }
    }

    private void Add(TcStatistic qdisc)
    {
        if (qdisc is { Parent: TcHandle.Root, Handle: Shaper.Qdisc, Kind: "htb" })
        {
            _limit = qdisc;
        }
        else if (qdisc is { Parent: Shaper.Class, Kind: "fq_codel" })
        {
            _leaf = qdisc;
        }
        else if (qdisc.Parent == TcHandle.ClsactParent)
        {
            _filters = qdisc;
        }
    }
}
