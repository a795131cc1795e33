using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace CniIsolator.Testbed;

/// <summary>The answers to some echo requests.</summary>
public sealed record PingResult(int Sent, int Answered, int Duplicates);

/// <summary>ICMP echo through a raw socket, which sees every answer, also the second to the same request.</summary>
public static class Ping
{
    /// <summary>
    /// Sends the requests one after another, waits for the answers, and then through the window for answers that nobody wants.
    /// </summary>
    public static async Task<PingResult> SendAsync(Namespace from, IPAddress to, int count = 3, int payload = 56, TimeSpan? limit = null, TimeSpan? window = null)
    {
        ArgumentNullException.ThrowIfNull(from);
        using Socket socket = from.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Icmp));
        ushort id = (ushort)Random.Shared.Next(1, 65536);
        int[] answers = new int[count];
        IPEndPoint target = new(to, 0);
        for (int number = 0; number < count; number++)
        {
            await socket.SendToAsync(Frames.IcmpEcho(8, id, (ushort)number, new byte[payload]), target).ConfigureAwait(false);
            await ListenAsync(socket, id, answers, number, limit ?? TimeSpan.FromSeconds(5)).ConfigureAwait(false);
        }

        await ListenAsync(socket, id, answers, null, window ?? TimeSpan.FromMilliseconds(200)).ConfigureAwait(false);
        return new PingResult(count, answers.Count(one => one > 0), answers.Sum(one => Math.Max(0, one - 1)));
    }

    private static async Task ListenAsync(Socket socket, ushort id, int[] answers, int? until, TimeSpan limit)
    {
        byte[] buffer = new byte[64 * 1024];
        using CancellationTokenSource timer = new(limit);
        try
        {
            while (until is not int wanted || answers[wanted] == 0)
            {
                int count = await socket.ReceiveAsync(buffer, timer.Token).ConfigureAwait(false);
                Take(buffer.AsSpan(0, count), id, answers);
            }
        }
        catch (OperationCanceledException)
        {
            // The time is up: what has not come has not come.
        }
    }

    private static void Take(ReadOnlySpan<byte> packet, ushort id, int[] answers)
    {
        int header = (packet[0] & 15) * 4;
        ReadOnlySpan<byte> icmp = packet[header..];
        if (icmp.Length >= 8 && icmp[0] == 0 && BinaryPrimitives.ReadUInt16BigEndian(icmp[4..]) == id
            && BinaryPrimitives.ReadUInt16BigEndian(icmp[6..]) is ushort number && number < answers.Length)
        {
            answers[number]++;
        }
    }
}
