using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using CniIsolator.Exporter.Kubernetes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Hosting;

namespace CniIsolator.Exporter.Tests.Kubernetes;

/// <summary>
/// What of a kubelet a device plugin meets: at its start it removes all files of its directory and listens; whoever registers is called back. It speaks
/// HTTP/2 with the host "localhost", as kubelet 1.26 and newer do.
/// </summary>
internal sealed class FakeKubelet : IAsyncDisposable
{
    private readonly string _directory;
    private readonly WebApplication _application;
    private readonly Channel<(string Endpoint, string Resource)> _registrations = Channel.CreateUnbounded<(string, string)>();

    private FakeKubelet(string directory, string? refusal)
    {
        _directory = directory;
        foreach (var left in Directory.GetFiles(directory))
        {
            File.Delete(left);
        }

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { EnvironmentName = Environments.Production });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
            kestrel.ListenUnixSocket(Path.Combine(directory, "kubelet.sock"), options => options.Protocols = HttpProtocols.Http2));
        _application = builder.Build();
        _application.Run(context => RegisterAsync(context, refusal));
    }

    /// <param name="directory">Kubelet's.</param>
    /// <param name="refusal">What it answers whoever registers, if it takes nobody.</param>
    public static async Task<FakeKubelet> StartAsync(string directory, string? refusal = null)
    {
        var kubelet = new FakeKubelet(directory, refusal);
        await kubelet._application.StartAsync();
        return kubelet;
    }

    /// <summary>The next to register.</summary>
    public async Task<(string Endpoint, string Resource)> NextAsync() => await _registrations.Reader.ReadAsync().AsTask().WaitAsync(Testbed.Wait.Patience);

    /// <summary>Calls a plugin; the answer's messages as they come.</summary>
    public async Task<(HttpResponseMessage Response, HttpClient Client)> CallAsync(string endpoint, string method, byte[] frame)
    {
        var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancel) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(_directory, endpoint)), cancel);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://localhost/v1beta1.DevicePlugin/" + method)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(frame),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        return (await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead), client);
    }

    /// <summary>Calls a plugin and waits for the end; what gRPC says of it, and all bytes.</summary>
    public async Task<(string? Status, byte[] Frames)> CallToEndAsync(string endpoint, string method, byte[] frame)
    {
        var (response, client) = await CallAsync(endpoint, method, frame);
        using (client)
        using (response)
        {
            var bytes = await response.Content.ReadAsByteArrayAsync();
            var found = response.TrailingHeaders.TryGetValues("grpc-status", out var values) || response.Headers.TryGetValues("grpc-status", out values);
            return (found ? string.Join(',', values!) : null, bytes);
        }
    }

    /// <summary>The next message of an answer: how many devices of each health it has.</summary>
    public static async Task<(int Healthy, int Unhealthy)> ReadListAsync(Stream answer)
    {
        var prefix = new byte[DeviceMessages.FramePrefix];
        using var patience = new CancellationTokenSource(Testbed.Wait.Patience);
        await answer.ReadExactlyAsync(prefix, patience.Token);
        var message = new byte[System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(prefix.AsSpan(1))];
        await answer.ReadExactlyAsync(message, patience.Token);
        var text = Encoding.ASCII.GetString(message);
        return (text.Split("\u0007Healthy").Length - 1, text.Split("\tUnhealthy").Length - 1);
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync();
        await _application.DisposeAsync();
    }

    private async Task RegisterAsync(HttpContext context, string? refusal)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        context.Response.ContentType = "application/grpc";
        if (context.Request.Path != "/v1beta1.Registration/Register" || refusal is not null)
        {
            // Headers alone, as gRPC servers answer what fails at once.
            context.Response.Headers["grpc-status"] = "2";
            context.Response.Headers["grpc-message"] = Uri.EscapeDataString(refusal ?? "no such method");
            return;
        }

        var texts = ReadTexts(body.ToArray().AsSpan(DeviceMessages.FramePrefix));
        await context.Response.Body.WriteAsync(new byte[DeviceMessages.FramePrefix]);
        context.Response.AppendTrailer("grpc-status", "0");
        Assert.Equal("v1beta1", texts[1]);
        _registrations.Writer.TryWrite((texts[2], texts[3]));
    }

    /// <summary>Fields that are texts of fewer than 128 bytes.</summary>
    private static ConcurrentDictionary<int, string> ReadTexts(ReadOnlySpan<byte> message)
    {
        var texts = new ConcurrentDictionary<int, string>();
        for (; message.Length > 0; message = message[(2 + message[1])..])
        {
            texts[message[0] >> 3] = Encoding.UTF8.GetString(message.Slice(2, message[1]));
        }

        return texts;
    }
}
