using CniIsolator.Exporter.Serving;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>
/// Serves kubelet over a unix socket: HTTP/2 without TLS. Kubelet 1.26 or newer: older ones name the socket's path as the host, which is no name that
/// HTTP has, and the server refuses it.
/// </summary>
internal sealed class DevicePluginServer : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly CancellationTokenSource _stopping = new();

    /// <param name="socket">The path; its owner's alone, kubelet is root.</param>
    /// <param name="counts">What is told.</param>
    public DevicePluginServer(string socket, LatestCount counts)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { EnvironmentName = Environments.Production });
        builder.Services.Configure<SocketTransportOptions>(transport => transport.CreateBoundListenSocket = ListenSocket.Bind);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(2));
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 8;
            kestrel.Limits.MaxRequestBodySize = DeviceMessages.FramePrefix + DeviceMessages.LongestMessage;
            kestrel.ListenUnixSocket(socket, options => options.Protocols = HttpProtocols.Http2);
        });
        _application = builder.Build();
        _application.Run(new DevicePlugin(counts, _stopping.Token).HandleAsync);
    }

    /// <exception cref="IOException">The socket cannot be listened on; the message names it.</exception>
    public Task StartAsync() => _application.StartAsync();

    public async ValueTask DisposeAsync()
    {
        // What is watched never ends by itself.
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _application.StopAsync().ConfigureAwait(false);
        await _application.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }
}
