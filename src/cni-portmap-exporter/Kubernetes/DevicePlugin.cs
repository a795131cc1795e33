using System.Buffers;
using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>The service DevicePlugin, which kubelet calls: what there is, and again whenever it changes. Source: api.proto, v1beta1.</summary>
/// <param name="counts">What there is.</param>
/// <param name="stopping">Ends what is still being told.</param>
internal sealed class DevicePlugin(LatestCount counts, CancellationToken stopping)
{
    private const string Service = "/v1beta1.DevicePlugin/";
    private const int InvalidArgument = 3; // INVALID_ARGUMENT
    private const int Unimplemented = 12; // UNIMPLEMENTED

    public async Task HandleAsync(HttpContext context)
    {
        if (!HttpMethods.IsPost(context.Request.Method) || context.Request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) != true)
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        context.Response.ContentType = "application/grpc";
        switch (context.Request.Path.Value)
        {
            case Service + "GetDevicePluginOptions" or Service + "PreStartContainer":
                await AnswerAsync(context, DeviceMessages.Empty()).ConfigureAwait(false);
                break;
            case Service + "ListAndWatch":
                await WatchAsync(context).ConfigureAwait(false);
                break;
            case Service + "Allocate":
                await AllocateAsync(context).ConfigureAwait(false);
                break;
            default:
                // GetPreferredAllocation among them, which kubelet is told not to call.
                End(context, Unimplemented, "not implemented");
                break;
        }
    }

    private static async Task AllocateAsync(HttpContext context)
    {
        // The server has a bound for all of it.
        var body = new ArrayBufferWriter<byte>();
        for (int read; (read = await context.Request.Body.ReadAsync(body.GetMemory(4096), context.RequestAborted).ConfigureAwait(false)) > 0;)
        {
            body.Advance(read);
        }

        if (DeviceMessages.Unframe(body.WrittenMemory) is { } message && DeviceMessages.CountAllocateRequests(message.Span) is { } containers)
        {
            await AnswerAsync(context, DeviceMessages.AllocateResponse(containers)).ConfigureAwait(false);
        }
        else
        {
            End(context, InvalidArgument, "not an AllocateRequest");
        }
    }

    /// <summary>Goes on until kubelet hangs up or this program ends; kubelet then counts all devices as unhealthy, and places no more pods.</summary>
    private async Task WatchAsync(HttpContext context)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        try
        {
            SliceCount? told = null;
            while (true)
            {
                var (count, changed) = counts.Current;
                if (count is { } known && known != told)
                {
                    told = known;
                    await context.Response.Body.WriteAsync(DeviceMessages.DeviceList(known), either.Token).ConfigureAwait(false);
                    await context.Response.Body.FlushAsync(either.Token).ConfigureAwait(false);
                }

                await changed.WaitAsync(either.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            if (!context.RequestAborted.IsCancellationRequested)
            {
                End(context, status: 0);
            }
        }
    }

    private static async Task AnswerAsync(HttpContext context, byte[] frame)
    {
        await context.Response.Body.WriteAsync(frame, context.RequestAborted).ConfigureAwait(false);
        End(context, status: 0);
    }

    private static void End(HttpContext context, int status, string? message = null)
    {
        context.Response.AppendTrailer("grpc-status", status.ToString(CultureInfo.InvariantCulture));
        if (message is not null)
        {
            context.Response.AppendTrailer("grpc-message", message);
        }
    }
}

/// <summary>The last count, for any number of readers; a task tells each of them when there is another.</summary>
internal sealed class LatestCount
{
    private readonly Lock _lock = new();
    private SliceCount? _count;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The count, null before the first, and what ends when it is no longer the last one.</summary>
    public (SliceCount? Count, Task Changed) Current
    {
        get
        {
            lock (_lock)
            {
                return (_count, _changed.Task);
            }
        }
    }

    /// <returns>Whether it is another than before.</returns>
    public bool Set(SliceCount count)
    {
        TaskCompletionSource before;
        lock (_lock)
        {
            if (_count == count)
            {
                return false;
            }

            _count = count;
            before = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        before.SetResult();
        return true;
    }
}
