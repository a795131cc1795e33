using System.Net;
using System.Net.Sockets;
using CniIsolator.Linux;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace CniIsolator.Exporter.Serving;

/// <summary>Binds listening sockets, with errors that say which one.</summary>
internal static class ListenSocket
{
    /// <exception cref="IOException">It cannot be bound; the message names the address.</exception>
    public static Socket Bind(EndPoint endPoint)
    {
        var name = endPoint is UnixDomainSocketEndPoint ? $"unix:{endPoint}" : endPoint.ToString();
        try
        {
            if (endPoint is UnixDomainSocketEndPoint unix)
            {
                RemoveAbandoned(unix);
            }

            return SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
        }
        catch (SocketException e)
        {
            throw new IOException($"cannot listen on {name}: {e.Message}", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"cannot listen on {name}: {e.Message}", e);
        }
    }

    /// <summary>The file of an exporter that was killed would keep the next one from starting. What anybody listens on stays, and so does what is no socket.</summary>
    private static void RemoveAbandoned(UnixDomainSocketEndPoint endPoint)
    {
        var path = endPoint.ToString();
        if (!Directory.Exists(Path.GetDirectoryName(path)))
        {
            // The framework's words for it would be about addresses.
            throw new SocketException((int)SocketError.AddressNotAvailable, "there is no such directory");
        }

        if (FileFacts.Read(path) is not { IsSocket: true })
        {
            return;
        }

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(endPoint);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
        }
        catch (SocketException)
        {
            // Not ours to judge: binding will say what is wrong.
        }
    }
}
