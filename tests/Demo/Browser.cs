using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Demo;

/// <summary>
/// Chromium without a screen, in the host's namespace. Its own --screenshot takes the picture as soon as the page is loaded, before there is
/// a rate to be seen: so it is led by its debugging protocol (https://chromedevtools.github.io/devtools-protocol/).
/// </summary>
internal sealed class Browser : IDisposable
{
    private const int Width = 1360;
    private const int Height = 900;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(40);

    private readonly string _profile;
    private readonly Process _process;
    private readonly HttpClient _client;
    private readonly ClientWebSocket _socket = new();
    private int _asked;

    public Browser(Namespace place, string profile, Uri page)
    {
        _profile = profile;
        _client = new HttpClient(Exporter.Inside(place));
        _process = place.Start(
            "chromium",
            [
                .. Chromium.Arguments(profile),
                "--remote-debugging-port=0",
                $"--window-size={Width},{Height}",
                page.AbsoluteUri,
            ]);
        try
        {
            Wait.Until(() => _process.HasExited || Debugger() is not null, "the browser to start", Limit);
            Connect();
            Ask("Emulation.setDeviceMetricsOverride", new { width = Width, height = Height, deviceScaleFactor = 1, mobile = false });

            // It begins with an empty page.
            Wait.Until(() => (bool?)Evaluate($"location.href === '{page}' && document.readyState === 'complete'") == true, "the page to be loaded", Limit);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What an expression comes to in the page; a promise is waited for.</summary>
    public JsonNode? Evaluate(string expression)
    {
        JsonNode answer = Ask("Runtime.evaluate", new { expression, awaitPromise = true, returnByValue = true });
        return answer["exceptionDetails"] is { } fault ? throw new InvalidOperationException(fault.ToJsonString()) : answer["result"]!["value"];
    }

    /// <summary>A picture of what is seen, as PNG.</summary>
    public byte[] Picture() => Convert.FromBase64String((string)Ask("Page.captureScreenshot", new { format = "png" })["data"]!);

    public void Dispose()
    {
        if (_socket.State == WebSocketState.Open)
        {
            Close();
        }

        _socket.Dispose();
        _client.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        _process.Dispose();
        Wait.Until(TryRemoveProfile, "the browser's profile to be removed");
    }

    /// <summary>Asks it to end, which lets it take its own processes along.</summary>
    private void Close()
    {
        try
        {
            Ask("Browser.close", new { });
            Wait.For(() => _process.HasExited);
        }
        catch (Exception error) when (error is WebSocketException or OperationCanceledException)
        {
            // It went before it had answered, or does not listen: then it is killed.
        }
    }

    /// <summary>Where it wants to be talked to, once it has said so.</summary>
    private int? Debugger()
    {
        string file = Path.Combine(_profile, "DevToolsActivePort");
        return File.Exists(file) && File.ReadLines(file).FirstOrDefault() is { } line && int.TryParse(line, out int port) ? port : null;
    }

    private void Connect()
    {
        int port = Debugger() ?? throw new InvalidOperationException("the browser has ended at once");
        JsonNode? page = null;
        Wait.Until(
            () =>
            {
                JsonArray targets = _client.GetFromJsonAsync<JsonArray>($"http://127.0.0.1:{port}/json/list").GetAwaiter().GetResult()!;
                page = targets.FirstOrDefault(target => (string?)target!["type"] == "page");
                return page is not null;
            },
            "the browser's page");
        using CancellationTokenSource timer = new(Limit);
        _socket.ConnectAsync(new Uri((string)page!["webSocketDebuggerUrl"]!), _client, timer.Token).GetAwaiter().GetResult();
    }

    private JsonNode Ask(string method, object parameters)
    {
        using CancellationTokenSource timer = new(Limit);
        return AskAsync(method, parameters, timer.Token).GetAwaiter().GetResult();
    }

    private async Task<JsonNode> AskAsync(string method, object parameters, CancellationToken cancel)
    {
        int id = ++_asked;
        byte[] question = JsonSerializer.SerializeToUtf8Bytes(new { id, method, @params = parameters });
        await _socket.SendAsync(question, WebSocketMessageType.Text, endOfMessage: true, cancel).ConfigureAwait(false);
        while (true)
        {
            JsonNode answer = await ReceiveAsync(cancel).ConfigureAwait(false);

            // Between the answers it tells of events.
            if ((int?)answer["id"] == id)
            {
                return answer["result"] ?? throw new InvalidOperationException($"{method}: {answer["error"]?.ToJsonString()}");
            }
        }
    }

    private async Task<JsonNode> ReceiveAsync(CancellationToken cancel)
    {
        using MemoryStream message = new();
        byte[] buffer = new byte[64 * 1024];
        ValueWebSocketReceiveResult part;
        do
        {
            part = await _socket.ReceiveAsync(buffer.AsMemory(), cancel).ConfigureAwait(false);
            message.Write(buffer, 0, part.Count);
        }
        while (!part.EndOfMessage);

        return JsonNode.Parse(message.GetBuffer().AsSpan(0, (int)message.Length))!;
    }

    /// <summary>A process that is ending may still write into it.</summary>
    private bool TryRemoveProfile()
    {
        try
        {
            Directory.Delete(_profile, recursive: true);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
