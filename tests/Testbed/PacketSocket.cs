using System.Diagnostics;
using System.Runtime.InteropServices;

namespace CniIsolator.Testbed;

/// <summary>A frame that was seen on an interface.</summary>
/// <param name="Data">From the Ethernet header on. What the kernel still meant to segment or to checksum is as it was then.</param>
/// <param name="Outgoing">Sent by the interface, not received.</param>
public sealed record CapturedFrame(byte[] Data, bool Outgoing)
{
    /// <summary>Its fields.</summary>
    public FrameView View { get; } = new(Data);

    /// <inheritdoc/>
    public override string ToString() => $"{(Outgoing ? "> " : "< ")}{View}";
}

/// <summary>An AF_PACKET socket on one interface of a namespace: sends any frame, captures those that a predicate wants.</summary>
public sealed class PacketSocket : IDisposable
{
    private readonly int _socket;
    private readonly int _stop;
    private readonly Thread _reader;
    private readonly Func<CapturedFrame, bool> _wanted;
    private readonly List<CapturedFrame> _frames = [];
    private bool _disposed;

    private PacketSocket(int socket, int stop, Func<CapturedFrame, bool> wanted)
    {
        _socket = socket;
        _stop = stop;
        _wanted = wanted;
        _reader = new Thread(Read) { IsBackground = true };
        _reader.Start();
    }

    /// <summary>Opens the interface. Without a predicate everything is captured, also what this socket itself sends.</summary>
    public static PacketSocket Open(Namespace place, string device, Func<CapturedFrame, bool>? wanted = null)
    {
        ArgumentNullException.ThrowIfNull(place);
        return place.Run(() =>
        {
            int index = Native.InterfaceIndex(device);
            if (index == 0)
            {
                throw new InvalidOperationException($"no interface {device} in {place}");
            }

            // Protocol 0 receives nothing: not a frame of another interface can slip in before bind.
            int socket = Native.Check(Native.Socket(Native.AddressFamilyPacket, Native.SocketRawCloseOnExec, 0), "socket(AF_PACKET)");
            Native.LinkAddress address = new()
            {
                Family = Native.AddressFamilyPacket,
                Protocol = (ushort)(Native.AllProtocols << 8),
                Index = index,
            };
            Native.Check(Native.Bind(socket, address, Marshal.SizeOf<Native.LinkAddress>()), $"bind to {device}");
            return new PacketSocket(socket, Native.Check(Native.EventDescriptor(0, 0x80000), "eventfd"), wanted ?? (_ => true));
        });
    }

    /// <summary>What was captured so far.</summary>
    public IReadOnlyList<CapturedFrame> Frames
    {
        get
        {
            lock (_frames)
            {
                return [.. _frames];
            }
        }
    }

    /// <summary>Sends one frame, Ethernet header included.</summary>
    public void Send(byte[] frame)
    {
        ArgumentNullException.ThrowIfNull(frame);
        Native.Check((int)Native.Send(_socket, frame, frame.Length, 0), "send on AF_PACKET");
    }

    /// <summary>The same, but a queue that is full is no error: for a flood.</summary>
    public void TrySend(byte[] frame)
    {
        ArgumentNullException.ThrowIfNull(frame);
        _ = Native.Send(_socket, frame, frame.Length, 0);
    }

    /// <summary>Shares what comes with the other sockets of this group, as far as the kernel lets it: PACKET_FANOUT of linux/if_packet.h.</summary>
    public void JoinFanout(ushort group)
    {
        const int Fanout = 18;
        Native.Check(Native.SetSocketOption(_socket, Native.SolPacket, Fanout, group, sizeof(int)), $"join fanout group {group}");
    }

    /// <summary>The first captured frame that matches, waiting for it if need be; null if none comes.</summary>
    public CapturedFrame? WaitFor(Func<CapturedFrame, bool> match, TimeSpan? limit = null)
    {
        ArgumentNullException.ThrowIfNull(match);
        Stopwatch watch = Stopwatch.StartNew();
        TimeSpan patience = limit ?? Wait.Patience;
        lock (_frames)
        {
            for (int seen = 0; ;)
            {
                for (; seen < _frames.Count; seen++)
                {
                    if (match(_frames[seen]))
                    {
                        return _frames[seen];
                    }
                }

                TimeSpan left = patience - watch.Elapsed;
                if (left <= TimeSpan.Zero)
                {
                    return null;
                }

                Monitor.Wait(_frames, left);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _ = Native.Write(_stop, 1UL, sizeof(ulong));
        _reader.Join();
        _ = Native.Close(_socket);
        _ = Native.Close(_stop);
    }

    private void Read()
    {
        byte[] buffer = new byte[256 * 1024];
        Native.PollDescriptor[] both = [new() { Descriptor = _socket, Events = Native.PollIn }, new() { Descriptor = _stop, Events = Native.PollIn }];
        while (true)
        {
            _ = Native.Poll(both, 2, -1);
            if (both[1].Returned != 0)
            {
                return;
            }

            Native.LinkAddress from = default;
            int size = Marshal.SizeOf<Native.LinkAddress>();
            int count = (int)Native.ReceiveFrom(_socket, buffer, buffer.Length, 0x40, ref from, ref size);
            if (count <= 0)
            {
                // ENETDOWN and the like are told once; the socket goes on.
                continue;
            }

            CapturedFrame frame = new(buffer[..count], from.PacketType == 4);
            if (_wanted(frame))
            {
                lock (_frames)
                {
                    _frames.Add(frame);
                    Monitor.PulseAll(_frames);
                }
            }
        }
    }
}
