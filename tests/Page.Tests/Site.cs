using System.Net;
using System.Net.Sockets;
using CniIsolator.Exporter.CommandLine;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Serving;

namespace CniIsolator.Exporter.PageTests;

/// <summary>The exporter's own server, on a port of its own; only where samples come from is different: from the test.</summary>
internal sealed class Site : IAsyncDisposable
{
    private readonly ListenAddress _address;
    private ExporterServer? _server;
    private volatile Sample _sample;

    public Site(Sample sample)
    {
        _sample = sample;
        _address = ListenAddress.TryParse($"127.0.0.1:{FreePort()}", out _)!;
    }

    public Uri Address => new($"http://{_address}/");

    /// <summary>What is answered from now on.</summary>
    public Sample Sample
    {
        get => _sample;
        set => _sample = value;
    }

    public async Task StartAsync()
    {
        _server = new ExporterServer([_address], new Routes(() => Task.FromResult(_sample), "1.2.3"), new FaultLog(TimeProvider.System, _ => { }));
        await _server.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is { } server)
        {
            _server = null;
            await server.DisposeAsync();
        }
    }

    /// <summary>A page is left and come back to by its address, so it needs a port that stays.</summary>
    private static int FreePort()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
