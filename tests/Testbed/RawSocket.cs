using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace CniIsolator.Testbed;

/// <summary>Everything of one IP protocol that a namespace's own stack delivers locally, whatever sockets there are.</summary>
public sealed partial class RawSocket : IDisposable
{
    private readonly Socket _socket;
    private readonly List<byte[]> _packets = [];
    private readonly Task _reading;

    private RawSocket(Socket socket)
    {
        _socket = socket;
        _reading = ReadAsync();
    }

    public static RawSocket Open(Namespace place, int protocol) =>
        new(place.Run(() =>
        {
            // .NET opens raw sockets of the protocols alone that it knows.
            const int Internet = 2;
            const int RawCloseOnExec = 3 | 0x80000;
            int descriptor = SystemSocket(Internet, RawCloseOnExec, protocol);
            return descriptor >= 0
                ? new Socket(new SafeSocketHandle(descriptor, ownsHandle: true))
                : throw new System.ComponentModel.Win32Exception(Marshal.GetLastPInvokeError());
        }));

    /// <summary>With an empty Ethernet header in front, as <see cref="FrameView"/> wants it.</summary>
    public IReadOnlyList<byte[]> Packets
    {
        get
        {
            lock (_packets)
            {
                return [.. _packets];
            }
        }
    }

    public bool Has(Func<byte[], bool> match) => Packets.Any(match);

    public bool WaitFor(Func<byte[], bool> match) => Wait.For(() => Has(match));

    public void Dispose()
    {
        _socket.Dispose();
        _reading.Wait();
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int SystemSocket(int family, int type, int protocol);

    private async Task ReadAsync()
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                int count = await _socket.ReceiveAsync(buffer).ConfigureAwait(false);
                lock (_packets)
                {
                    _packets.Add(Frames.Ethernet(default, default, Frames.EtherTypeIPv4, buffer.AsSpan(0, count)));
                }
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Disposed of.
        }
    }
}
