using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace CniIsolator.Bench.Traffic;

/// <summary>Traffic from outside to a scene's server and back, by blocking sockets on two threads of this process.</summary>
internal static class Flows
{
    private const int PayloadBytes = 64;
    private const int ChunkBytes = 256 * 1024;
    private const int PatienceMilliseconds = 2000;

    /// <summary>Gigabits per second that arrive by one TCP connection, sender and receiver on a processor each.</summary>
    public static double Throughput(Scene scene, TimeSpan duration)
    {
        using Socket listener = Open(scene.Server.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)));
        listener.Bind(new IPEndPoint(IPAddress.Any, scene.Port));
        listener.Listen(1);
        using Socket sender = Open(scene.Topology.Out.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)));
        sender.Connect(new IPEndPoint(scene.Address, scene.Port));
        using Socket receiver = Open(listener.Accept());

        double gigabits = 0;
        using Side receiving = new(Processor.Usable[^1], () =>
        {
            byte[] buffer = new byte[ChunkBytes];

            // The first fifth fills the windows and is not counted.
            long counted = 0;
            long started = Stopwatch.GetTimestamp();
            TimeSpan warm = duration / 5;
            TimeSpan elapsed;
            long begin = started;
            bool counting = false;
            while ((elapsed = Stopwatch.GetElapsedTime(started)) < duration)
            {
                int length = receiver.Receive(buffer);
                if (counting)
                {
                    counted += length;
                }
                else if (elapsed >= warm)
                {
                    counting = true;
                    begin = Stopwatch.GetTimestamp();
                }
            }

            gigabits = counted * 8 / Stopwatch.GetElapsedTime(begin).TotalNanoseconds;
            receiver.Close();
        });
        using Side sending = new(Processor.Usable[0], () =>
        {
            byte[] buffer = new byte[ChunkBytes];
            try
            {
                while (true)
                {
                    sender.Send(buffer);
                }
            }
            catch (SocketException)
            {
                // The receiver has seen enough.
            }
        });
        sending.Join();
        receiving.Join();
        return gigabits;
    }

    /// <summary>Microseconds that each of so many small datagrams takes there and back.</summary>
    /// <param name="scene">The server's place.</param>
    /// <param name="count">How many.</param>
    /// <param name="together">Whether both ends share a processor: then nothing is measured but the instructions on the way, and no wake-up of an idle one.</param>
    public static Sample RoundTrips(Scene scene, int count, bool together)
    {
        using Socket server = Open(scene.Server.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)));

        // Any port of the place's own, where it has some: in a container that is one of its slice.
        server.Bind(new IPEndPoint(IPAddress.Any, scene.DatagramPort));
        using Socket client = Open(scene.Topology.Out.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)));
        client.Bind(new IPEndPoint(scene.Topology.OutAddress, 0));
        client.Connect(new IPEndPoint(scene.Address, ((IPEndPoint)server.LocalEndPoint!).Port));
        server.Connect(client.LocalEndPoint!);

        Sample sample = new();
        int warm = count / 10;
        using Side answering = new(Processor.Usable[^1], () =>
        {
            byte[] buffer = new byte[PayloadBytes];
            for (int i = 0; i < count + warm; i++)
            {
                server.Send(buffer, server.Receive(buffer), SocketFlags.None);
            }
        });
        using Side asking = new(together ? Processor.Usable[^1] : Processor.Usable[0], () =>
        {
            byte[] buffer = new byte[PayloadBytes];
            for (int i = 0; i < count + warm; i++)
            {
                long started = Stopwatch.GetTimestamp();
                client.Send(buffer);
                client.Receive(buffer);
                if (i >= warm)
                {
                    sample.Add(Stopwatch.GetElapsedTime(started).TotalMicroseconds);
                }
            }
        });
        asking.Join();
        answering.Join();
        return sample;
    }

    private static Socket Open(Socket socket)
    {
        socket.SendTimeout = PatienceMilliseconds;
        socket.ReceiveTimeout = PatienceMilliseconds;
        return socket;
    }
}
