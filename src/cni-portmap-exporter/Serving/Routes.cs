using System.Buffers;
using System.Text;
using CniIsolator.Exporter.Formats;
using CniIsolator.Exporter.Sampling;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace CniIsolator.Exporter.Serving;

/// <summary>What is served where.</summary>
internal sealed class Routes(Func<Task<Sample>> take, string version)
{
    private const string PlainText = "text/plain; charset=utf-8";
    private const string Json = "application/json";

    public Task HandleAsync(HttpContext context)
    {
        var request = context.Request;
        Func<HttpContext, Task>? page = request.Path.Value switch
        {
            "/metrics" => MetricsAsync,
            "/monitor/statistics" or "/monitor/statistics.json" => StatisticsAsync,
            "/healthz" => static c => TextAsync(c, StatusCodes.Status200OK, "ok"),
            "/containers.json" => ContainersAsync,
            var path => PageFile.Find(path) is { } file ? c => PageAsync(c, file) : null,
        };
        if (page is null)
        {
            return TextAsync(context, StatusCodes.Status404NotFound, "not found");
        }

        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            return RefuseAsync(context, StatusCodes.Status405MethodNotAllowed, "only GET and HEAD");
        }

        return request.ContentLength > 0 || request.Headers.TransferEncoding.Count > 0
            ? RefuseAsync(context, StatusCodes.Status413PayloadTooLarge, "a request has no body here")
            : page(context);
    }

    private async Task MetricsAsync(HttpContext context)
    {
        var format = MetricsFormat.Negotiate(context.Request.Headers.Accept);
        var sample = await take().ConfigureAwait(false);
        var body = new ArrayBufferWriter<byte>(64 * 1024);
        MetricsDocument.Write(body, format, sample, version);

        // The answer depends on what the client accepts, and a cache must know.
        context.Response.Headers.Vary = HeaderNames.Accept;
        await SendAsync(context, StatusCodes.Status200OK, format.ContentType, body.WrittenMemory).ConfigureAwait(false);
    }

    private async Task StatisticsAsync(HttpContext context)
    {
        var sample = await take().ConfigureAwait(false);
        if (sample.Fault is { } fault)
        {
            // An empty or shorter array would say that containers are gone.
            await TextAsync(context, StatusCodes.Status503ServiceUnavailable, fault).ConfigureAwait(false);
            return;
        }

        var body = new ArrayBufferWriter<byte>(64 * 1024);
        MesosStatistics.Write(body, sample);
        body.Write("\n"u8);
        await SendAsync(context, StatusCodes.Status200OK, Json, body.WrittenMemory).ConfigureAwait(false);
    }

    /// <summary>What the page shows. A sample that is not complete says so itself: what is known of it is shown nevertheless.</summary>
    private async Task ContainersAsync(HttpContext context)
    {
        var sample = await take().ConfigureAwait(false);
        var body = new ArrayBufferWriter<byte>(64 * 1024);
        ContainersJson.Write(body, sample, version);
        body.Write("\n"u8);
        await SendAsync(context, StatusCodes.Status200OK, Json, body.WrittenMemory).ConfigureAwait(false);
    }

    private static Task PageAsync(HttpContext context, PageFile file)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = PageFile.SecurityPolicy;
        headers["Referrer-Policy"] = "no-referrer";
        headers.ETag = file.Tag;

        // Kept, but asked for again each time: after an upgrade, page and exporter must be of one version.
        if (context.Request.Headers.IfNoneMatch.ToString().Contains(file.Tag, StringComparison.Ordinal))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            headers.CacheControl = "no-cache";
            return Task.CompletedTask;
        }

        return SendAsync(context, StatusCodes.Status200OK, file.ContentType, file.Content, "no-cache");
    }

    /// <summary>An answer after which the connection is closed: what else the client sends on it is not read.</summary>
    private static Task RefuseAsync(HttpContext context, int status, string text)
    {
        context.Response.Headers.Connection = "close";
        return TextAsync(context, status, text);
    }

    private static Task TextAsync(HttpContext context, int status, string text) =>
        SendAsync(context, status, PlainText, Encoding.UTF8.GetBytes(text + "\n"));

    private static Task SendAsync(HttpContext context, int status, string type, ReadOnlyMemory<byte> body, string caching = "no-store")
    {
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = type;
        response.ContentLength = body.Length;
        response.Headers.CacheControl = caching;
        response.Headers.XContentTypeOptions = "nosniff";
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }
}
