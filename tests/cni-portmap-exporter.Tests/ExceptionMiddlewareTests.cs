using System.Net;
using System.Net.Sockets;
using CniIsolator.Exporter.CommandLine;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Serving;

namespace CniIsolator.Exporter.Tests;

/// <summary>The server with samples that fail in ways that nobody foresaw.</summary>
public sealed class ExceptionMiddlewareTests : IAsyncLifetime
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"pmit-{Environment.ProcessId}-{Guid.NewGuid():N}.sock");
    private readonly List<string> _said = [];
    private readonly FaultLog _faults;
    private readonly ExporterServer _server;
    private readonly HttpClient _client;
    private Func<Task<Sample>> _take = () => throw new InvalidOperationException("no such thing\nas\r\nthis");

    public ExceptionMiddlewareTests()
    {
        _faults = new FaultLog(TimeProvider.System, line =>
        {
            lock (_said)
            {
                _said.Add(line);
            }
        });
        _server = new ExporterServer([ListenAddress.TryParse("unix:" + _path, out _)!], new Routes(() => _take(), "1.2.3"), _faults);
        _client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancel) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(_path), cancel);
                return new NetworkStream(socket, ownsSocket: true);
            },
        })
        {
            BaseAddress = new Uri("http://exporter"),
        };
    }

    public Task InitializeAsync() => _server.StartAsync();

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
        File.Delete(_path);
    }

    [Theory]
    [InlineData("/metrics")]
    [InlineData("/monitor/statistics")]
    [InlineData("/containers.json")]
    public async Task Is_answered_with_500_and_said_in_one_line_once(string path)
    {
        for (var i = 0; i < 3; i++)
        {
            using var answer = await _client.GetAsync(path);
            Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
            Assert.Equal(ExceptionMiddleware.Answer, await answer.Content.ReadAsStringAsync());
            Assert.True(answer.Headers.CacheControl!.NoStore);
        }

        Assert.StartsWith($"requests: InvalidOperationException: no such thing as this at {typeof(ExceptionMiddlewareTests).FullName}.", Assert.Single(_said), StringComparison.Ordinal);
        Assert.DoesNotContain('\n', _said[0]);
        Assert.Equal(3ul, _faults.Counts()[(int)Source.Requests]);
    }

    [Fact]
    public async Task A_task_that_fails_is_no_different_and_the_next_answer_is_right()
    {
        _take = () => Task.FromException<Sample>(new FormatException("odd"));
        using (var answer = await _client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/metrics")))
        {
            Assert.Equal((HttpStatusCode.InternalServerError, ExceptionMiddleware.Answer.Length), (answer.StatusCode, (int)answer.Content.Headers.ContentLength!));
        }

        Assert.Equal("requests: FormatException: odd", Assert.Single(_said)[..30]);
        _take = () => Task.FromResult(Samples.Sample());
        Assert.StartsWith("# HELP ", await _client.GetStringAsync("/metrics"), StringComparison.Ordinal);
        Assert.Equal("ok\n", await _client.GetStringAsync("/healthz"));
    }

    [Fact]
    public async Task A_client_that_has_gone_is_no_fault()
    {
        var asked = new TaskCompletionSource();
        var go = new TaskCompletionSource<Sample>();
        _take = () =>
        {
            asked.SetResult();
            return go.Task;
        };
        using var patience = new CancellationTokenSource();
        var request = _client.GetAsync("/metrics", patience.Token);
        await asked.Task;
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        go.SetResult(Samples.Sample());

        // One after the other on the same path: what is behind it is done.
        _take = () => Task.FromResult(Samples.Sample());
        Assert.StartsWith("# HELP ", await _client.GetStringAsync("/metrics"), StringComparison.Ordinal);
        Assert.Equal(0ul, _faults.Counts()[(int)Source.Requests]);
    }
}
