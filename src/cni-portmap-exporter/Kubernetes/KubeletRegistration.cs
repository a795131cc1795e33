using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>Tells kubelet where our socket is: one call of its service Registration over kubelet's own socket. No TLS, no token, no API server.</summary>
internal static class KubeletRegistration
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    /// <param name="kubelet">Path of kubelet's socket.</param>
    /// <param name="endpoint">Name of our socket, in the same directory.</param>
    /// <param name="resource">What pods ask for.</param>
    /// <param name="stopping">Gives up.</param>
    /// <exception cref="IOException">Kubelet does not answer, or refuses; the message says which.</exception>
    public static async Task RegisterAsync(string kubelet, string endpoint, string resource, CancellationToken stopping)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        patience.CancelAfter(LongestWait);
        try
        {
            using var handler = new SocketsHttpHandler
            {
                UseProxy = false,
                UseCookies = false,
                AllowAutoRedirect = false,
                ConnectCallback = (_, cancel) => ConnectAsync(kubelet, cancel),
            };
            using var client = new HttpMessageInvoker(handler);
            using var request = new HttpRequestMessage(HttpMethod.Post, "http://localhost/v1beta1.Registration/Register")
            {
                Version = HttpVersion.Version20,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                Content = new ByteArrayContent(DeviceMessages.RegisterRequest(endpoint, resource)),
            };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
            request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
            using var response = await client.SendAsync(request, patience.Token).ConfigureAwait(false);
            await response.Content.LoadIntoBufferAsync(DeviceMessages.LongestMessage, patience.Token).ConfigureAwait(false);
            if (Status(response) is { } refusal)
            {
                throw new IOException($"{kubelet} refuses {resource}: {refusal}");
            }
        }
        catch (HttpRequestException e)
        {
            throw new IOException($"{kubelet}: {e.InnerException?.Message ?? e.Message}", e);
        }
        catch (OperationCanceledException e) when (!stopping.IsCancellationRequested)
        {
            throw new IOException($"{kubelet}: no answer within {LongestWait.TotalSeconds} s", e);
        }
    }

    /// <summary>What gRPC says of the call, null where all is well. A refusal may come with the headers, or behind an answer.</summary>
    private static string? Status(HttpResponseMessage response)
    {
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return $"HTTP status {(int)response.StatusCode}";
        }

        var status = Find(response, "grpc-status");
        return status == "0" ? null : $"gRPC status {status ?? "missing"} {Uri.UnescapeDataString(Find(response, "grpc-message") ?? "")}".TrimEnd();
    }

    private static string? Find(HttpResponseMessage response, string name)
    {
        foreach (var headers in (HttpResponseHeaders[])[response.TrailingHeaders, response.Headers])
        {
            if (headers.TryGetValues(name, out var values))
            {
                return string.Join(',', values);
            }
        }

        return null;
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancel)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancel).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
