using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using CniIsolator.Bench.Traffic;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Shaping;

/// <summary>Round trips of a thin flow.</summary>
/// <param name="Milliseconds">Of each request that was answered while the machine went on.</param>
/// <param name="Lost">Requests that were not answered.</param>
/// <param name="Disturbed">Requests that were answered, but after a moment at which the machine stood still.</param>
internal sealed record RoundTrips(double[] Milliseconds, int Lost, int Disturbed)
{
    public int Sent => Milliseconds.Length + Lost + Disturbed;
}

/// <summary>
/// Small UDP datagrams to the outside and back at a fixed pace, whether or not earlier ones have come back: a slow answer delays no later
/// request, and so hides none.
/// </summary>
internal sealed class ThinFlow
{
    /// <summary>As much as an interactive session or a small call sends.</summary>
    private const int PayloadBytes = 64;

    private const int PatienceMilliseconds = 2000;

    private readonly Thread _asking;
    private readonly Thread _listening;
    private readonly Thread _answering;
    private readonly Socket _client;
    private readonly Socket _server;
    private readonly long[] _sent;
    private readonly double[] _took;

    private ThinFlow(Topology topology, Namespace container, int count, TimeSpan pace)
    {
        _sent = new long[count];
        _took = new double[count];
        Array.Fill(_took, double.NaN);
        _server = topology.Out.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        _server.Bind(new IPEndPoint(topology.OutAddress, 0));
        _server.ReceiveTimeout = PatienceMilliseconds;
        _client = container.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        _client.Connect(_server.LocalEndPoint!);
        _client.ReceiveTimeout = PatienceMilliseconds;
        _answering = Begin(Answer);
        _listening = Begin(Listen);
        _asking = Begin(() => Ask(pace));
    }

    /// <summary>Begins to measure beside whatever else goes on.</summary>
    /// <param name="topology">The host and its outside, which answers.</param>
    /// <param name="container">Who asks.</param>
    /// <param name="count">How many requests.</param>
    /// <param name="pace">Time between two of them.</param>
    public static ThinFlow Start(Topology topology, Namespace container, int count, TimeSpan pace) => new(topology, container, count, pace);

    /// <summary>Waits for the last answer.</summary>
    public RoundTrips Finish(Heartbeat heartbeat)
    {
        _asking.Join();
        _listening.Join();
        _answering.Join();
        _client.Dispose();
        _server.Dispose();
        (long Sent, double Took)[] answered = [.. _sent.Zip(_took).Where(one => double.IsFinite(one.Second))];
        double[] good = [.. answered
            .Where(one => !heartbeat.Missed(one.Sent, one.Sent + (long)(one.Took / 1000 * Stopwatch.Frequency))).Select(one => one.Took)];
        return new RoundTrips(good, _took.Length - answered.Length, answered.Length - good.Length);
    }

    private static Thread Begin(Action action)
    {
        Thread thread = new(() =>
        {
            try
            {
                Processor.TakePrecedence();
                action();
            }
            catch (SocketException)
            {
                // Nothing came for longer than anything takes: what is missing was lost.
            }
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }

    private void Ask(TimeSpan pace)
    {
        byte[] buffer = new byte[PayloadBytes];
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < _sent.Length; i++)
        {
            TimeSpan early = (pace * i) - Stopwatch.GetElapsedTime(begin);
            if (early > TimeSpan.Zero)
            {
                Thread.Sleep(early);
            }

            BinaryPrimitives.WriteInt32LittleEndian(buffer, i);
            Volatile.Write(ref _sent[i], Stopwatch.GetTimestamp());
            _client.Send(buffer);
        }
    }

    private void Listen()
    {
        byte[] buffer = new byte[PayloadBytes];
        for (int left = _took.Length; left > 0; left--)
        {
            _client.Receive(buffer);
            int number = BinaryPrimitives.ReadInt32LittleEndian(buffer);
            _took[number] = Stopwatch.GetElapsedTime(Volatile.Read(ref _sent[number])).TotalMilliseconds;
        }
    }

    private void Answer()
    {
        byte[] buffer = new byte[PayloadBytes];
        SocketAddress asker = new(AddressFamily.InterNetwork);
        for (int left = _took.Length; left > 0; left--)
        {
            _server.ReceiveFrom(buffer, SocketFlags.None, asker);
            _server.SendTo(buffer, SocketFlags.None, asker);
        }
    }
}
