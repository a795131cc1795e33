using System.Net.Sockets;
using System.Text;

namespace CniIsolator.Exporter.Serving;

/// <summary>
/// Tells the service manager how far we are: one datagram to a unix socket that it names (sd_notify(3)). Without a manager that asks, it does nothing.
/// </summary>
/// <param name="address">What stands in <see cref="Variable"/>: a path, or <c>@NAME</c> in the abstract namespace; null for nobody.</param>
internal sealed class ServiceNotification(string? address)
{
    /// <summary>The environment variable by which a manager asks to be told.</summary>
    public const string Variable = "NOTIFY_SOCKET";

    /// <summary>The addresses can be connected to.</summary>
    public void Ready() => Send("READY=1");

    /// <summary>The stop has begun.</summary>
    public void Stopping() => Send("STOPPING=1");

    private void Send(string state)
    {
        // Anything else is another kind of address, such as vsock: of a manager outside this machine.
        if (address is not ['/' or '@', _, ..])
        {
            return;
        }

        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

            // Never waits: a manager with a full queue must not keep statistics from being served.
            socket.Blocking = false;
            socket.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(address[0] == '@' ? '\0' + address[1..] : address));
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            // Gone, or too long for a socket's address. The manager judges our silence; to end for it would help nobody.
        }
    }
}
