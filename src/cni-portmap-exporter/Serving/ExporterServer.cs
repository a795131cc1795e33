using System.Net;
using System.Net.Sockets;
using CniIsolator.Exporter.CommandLine;
using CniIsolator.Exporter.Sampling;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace CniIsolator.Exporter.Serving;

/// <summary>The HTTP server: HTTP/1.1 without TLS, with bounds on all that a client can make it keep.</summary>
internal sealed class ExporterServer : IAsyncDisposable
{
    private static readonly TimeSpan StopTime = TimeSpan.FromSeconds(5);

    private readonly WebApplication _application;

    /// <param name="addresses">Where to listen.</param>
    /// <param name="routes">What is served.</param>
    /// <param name="faults">Where requests that fail unforeseen are counted and said.</param>
    public ExporterServer(IReadOnlyList<ListenAddress> addresses, Routes routes, FaultLog faults)
    {
        // The empty builder reads no settings from files or environment: a root's daemon has its command line only.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { EnvironmentName = Environments.Production });
        builder.Services.Configure<SocketTransportOptions>(transport => transport.CreateBoundListenSocket = ListenSocket.Bind);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = StopTime);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            Limit(kestrel.Limits);
            foreach (var address in addresses)
            {
                Listen(kestrel, address.EndPoint);
            }
        });
        _application = builder.Build();
        _application.Run(new ExceptionMiddleware(routes.HandleAsync, faults).HandleAsync);
    }

    /// <summary>Told when the stop begins, while the last requests may still be answered.</summary>
    public CancellationToken Stopping => _application.Lifetime.ApplicationStopping;

    /// <exception cref="IOException">An address cannot be listened on; the message names it.</exception>
    public Task StartAsync() => _application.StartAsync();

    /// <summary>Ends after SIGTERM, SIGINT or SIGQUIT, when the requests that are being answered have been.</summary>
    public Task WaitForStopAsync() => _application.WaitForShutdownAsync();

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    /// <summary>No request has a body, and none a legitimate reason to be long or slow.</summary>
    private static void Limit(KestrelServerLimits limits)
    {
        limits.MaxConcurrentConnections = 64;
        limits.MaxConcurrentUpgradedConnections = 0;
        limits.MaxRequestBodySize = 0;
        limits.MaxRequestLineSize = 2048;
        limits.MaxRequestHeadersTotalSize = 8192;
        limits.MaxRequestHeaderCount = 50;
        limits.MaxRequestBufferSize = 16 * 1024;
        limits.MaxResponseBufferSize = 64 * 1024;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);

        // Each piece of an answer is allowed the time that it takes at this rate, or the grace period where that is longer, as it is for all of ours.
        // The server's own 240 bytes/s would leave a client that reads nothing a connection for minutes.
        limits.MinResponseDataRate = new MinDataRate(bytesPerSecond: 8 * 1024, gracePeriod: TimeSpan.FromSeconds(5));

        // Longer than the usual scrape interval of a minute, so that connections are used again.
        limits.KeepAliveTimeout = TimeSpan.FromSeconds(90);
    }

    private static void Listen(KestrelServerOptions kestrel, EndPoint endPoint)
    {
        if (endPoint is UnixDomainSocketEndPoint unix)
        {
            kestrel.ListenUnixSocket(unix.ToString(), options => options.Protocols = HttpProtocols.Http1);
        }
        else
        {
            kestrel.Listen(endPoint, options => options.Protocols = HttpProtocols.Http1);
        }
    }
}
