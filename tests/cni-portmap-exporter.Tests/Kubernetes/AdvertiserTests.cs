using System.Collections.Concurrent;
using CniIsolator.Exporter.Kubernetes;

namespace CniIsolator.Exporter.Tests.Kubernetes;

public sealed class AdvertiserTests : IAsyncLifetime
{
    private readonly string _directory = Directory.CreateTempSubdirectory("kubelet-").FullName;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _said = new();
    private Task? _running;
    private Func<SliceCount> _take = () => new SliceCount(4, 4);

    private string Socket => Path.Combine(_directory, "portmap-isolate-slices.sock");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await (_running ?? Task.CompletedTask).WaitAsync(Testbed.Wait.Patience);
        _stop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task Kubelet_is_told_how_many_there_are_and_whenever_it_changes()
    {
        await using var kubelet = await FakeKubelet.StartAsync(_directory);
        Start();
        Assert.Equal(("portmap-isolate-slices.sock", "portmap-isolate/slices"), await kubelet.NextAsync());
        var (response, client) = await kubelet.CallAsync("portmap-isolate-slices.sock", "ListAndWatch", DeviceMessages.Empty());
        using (client)
        using (response)
        await using (var answer = await response.Content.ReadAsStreamAsync())
        {
            Assert.Equal((4, 0), await FakeKubelet.ReadListAsync(answer));
            _take = () => new SliceCount(4, 3);
            Assert.Equal((3, 1), await FakeKubelet.ReadListAsync(answer));

            // A fault keeps what was told.
            _take = () => throw new IOException("no store");
            Testbed.Wait.Until(() => _said.Contains("no store"), "the fault to be said");
            _take = () => new SliceCount(5, 5);
            Assert.Equal((5, 0), await FakeKubelet.ReadListAsync(answer));
            Assert.Single(_said, "no store");

            // The end is told in order, so that kubelet does not take it for a crash.
            await _stop.CancelAsync();
            await _running!.WaitAsync(Testbed.Wait.Patience);
            Assert.Equal(0, await answer.ReadAsync(new byte[1]).AsTask().WaitAsync(Testbed.Wait.Patience));
            Assert.Equal(["0"], response.TrailingHeaders.GetValues("grpc-status"));
        }

        Assert.False(File.Exists(Socket));
    }

    [Fact]
    public async Task A_kubelet_that_started_anew_is_told_again()
    {
        var first = await FakeKubelet.StartAsync(_directory);
        Start();
        await first.NextAsync();
        await first.DisposeAsync();
        for (var i = 0; i < 2; i++)
        {
            await using var next = await FakeKubelet.StartAsync(_directory);
            Assert.Equal("portmap-isolate-slices.sock", (await next.NextAsync()).Endpoint);
            Assert.Equal("0", (await next.CallToEndAsync("portmap-isolate-slices.sock", "GetDevicePluginOptions", DeviceMessages.Empty())).Status);
        }
    }

    [Fact]
    public async Task It_waits_for_a_kubelet_that_is_not_there_and_says_so_once()
    {
        Start();
        Testbed.Wait.Until(() => !_said.IsEmpty && _said.Any(line => line.Contains("kubelet.sock", StringComparison.Ordinal)), "the fault to be said");
        await using var kubelet = await FakeKubelet.StartAsync(_directory);
        await kubelet.NextAsync();
        Assert.Single(_said, line => line.Contains("kubelet.sock: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_refusal_is_said()
    {
        await using var kubelet = await FakeKubelet.StartAsync(_directory, "the ResourceName is invalid");
        Start();
        Testbed.Wait.Until(() => _said.Any(line => line.EndsWith("kubelet.sock: refuses portmap-isolate/slices; its log says why", StringComparison.Ordinal)), "the refusal");
    }

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n", "speaks something else")]
    [InlineData("\0\0\b\a\0\0\0\0\0\0\0\0\0\0\0\0\u0002", "ends the call")]
    [InlineData("\0\0\u0004\u0003\0\0\0\0\u0001\0\0\0\u0001", "ends the call")]
    [InlineData("\0\0", "kubelet.sock: ")]
    public async Task Whatever_else_answers_is_a_fault(string answer, string said)
    {
        using var listener = new System.Net.Sockets.Socket(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        listener.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(Path.Combine(_directory, "kubelet.sock")));
        listener.Listen();
        Start();
        using (var connection = await listener.AcceptAsync().WaitAsync(Testbed.Wait.Patience))
        {
            Assert.True(connection.Receive(new byte[4096]) > 24);
            connection.Send(System.Text.Encoding.Latin1.GetBytes(answer));
        }

        Testbed.Wait.Until(() => _said.Any(line => line.Contains(said, StringComparison.Ordinal)), "the fault to be said");
        Assert.DoesNotContain(_said, line => line.StartsWith("registered", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Calls_are_answered_and_wrong_ones_refused()
    {
        await using var kubelet = await FakeKubelet.StartAsync(_directory);
        Start();
        var (endpoint, _) = await kubelet.NextAsync();
        Assert.Equal(("0", "00-00-00-00-00"), await TextAsync("GetDevicePluginOptions", DeviceMessages.Empty()));
        Assert.Equal(("0", "00-00-00-00-00"), await TextAsync("PreStartContainer", DeviceMessages.Empty()));
        Assert.Equal(("0", "00-00-00-00-02-0A-00"), await TextAsync("Allocate", Convert.FromHexString("000000000B0A090A07736C6963652D30")));
        Assert.Equal(("0", "00-00-00-00-00"), await TextAsync("Allocate", DeviceMessages.Empty()));
        Assert.Equal(("3", ""), await TextAsync("Allocate", [0, 0, 0, 0, 9, 1]));
        Assert.Equal(("3", ""), await TextAsync("Allocate", []));
        Assert.Equal(("12", ""), await TextAsync("GetPreferredAllocation", DeviceMessages.Empty()));
        Assert.Equal(("12", ""), await TextAsync("Nonsense", DeviceMessages.Empty()));

        async Task<(string?, string)> TextAsync(string method, byte[] frame)
        {
            var (status, frames) = await kubelet.CallToEndAsync(endpoint, method, frame);
            return (status, BitConverter.ToString(frames));
        }
    }

    private void Start()
    {
        var settings = new AdvertiserSettings(ResourceName.Default, _directory) { Interval = TimeSpan.FromMilliseconds(10) };
        _running = new Advertiser(settings, () => _take(), TimeProvider.System, _said.Enqueue).RunAsync(_stop.Token);
    }
}
