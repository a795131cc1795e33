using System.Text;
using CniIsolator.Exporter.Sampling;
using Microsoft.AspNetCore.Http;

namespace CniIsolator.Exporter.Serving;

/// <summary>
/// Stands before the routes: what none of them foresaw is answered with 500 and a short text, and said where an operator looks. The server alone
/// would answer without a word and tell nobody.
/// </summary>
/// <param name="next">The routes.</param>
/// <param name="faults">Where it is counted and said.</param>
internal sealed class ExceptionMiddleware(RequestDelegate next, FaultLog faults)
{
    /// <summary>All that a client is told: what went wrong inside is the operator's matter.</summary>
    public const string Answer = "an unforeseen fault; the exporter's log has it\n";

    public async Task HandleAsync(HttpContext context)
    {
        try
        {
            await next(context).ConfigureAwait(false);
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            // A client that has gone is no fault, and nobody is left to be answered.
            faults.Add(Source.Requests, Describe(e));
            if (context.Response.HasStarted)
            {
                // The server then cuts the connection: half an answer must not look like a whole one.
                throw;
            }

            context.Response.Clear();
            context.Response.StatusCode = StatusCodes.Status500InternalServerError;
            context.Response.ContentType = "text/plain; charset=utf-8";
            context.Response.ContentLength = Answer.Length;
            context.Response.Headers.CacheControl = "no-store";
            if (!HttpMethods.IsHead(context.Request.Method))
            {
                await context.Response.Body.WriteAsync(Encoding.ASCII.GetBytes(Answer), context.RequestAborted).ConfigureAwait(false);
            }
        }
    }

    /// <summary>One line: kind, message, and where it was thrown, as that is all there is to find the mistake by.</summary>
    internal static string Describe(Exception e)
    {
        var place = e.StackTrace.AsSpan().TrimStart();
        var end = place.IndexOf('\n');
        place = end < 0 ? place : place[..end];
        return $"{e.GetType().Name}: {e.Message} {place}".ReplaceLineEndings(" ").TrimEnd();
    }
}
