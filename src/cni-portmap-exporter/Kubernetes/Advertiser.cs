using System.Text;
using CniIsolator.Ipam;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>
/// Keeps kubelet told how many slices the node has: serves, registers, and does both again when kubelet has started anew. Kubelet removes all sockets
/// of its directory then, which is how device plugins are to notice.
/// </summary>
/// <param name="settings">What is told to whom.</param>
/// <param name="take">Counts.</param>
/// <param name="clock">For waiting.</param>
/// <param name="say">Takes a line.</param>
internal sealed class Advertiser(AdvertiserSettings settings, Func<SliceCount> take, TimeProvider clock, Action<string> say)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly LatestCount _counts = new();
    private string? _lastFault;

    /// <summary>Goes on until it is told to stop: no fault of kubelet's or the store's lasts for ever.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        var pause = FirstPause;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                Count();
                await using var server = new DevicePluginServer(settings.Socket, _counts);
                await server.StartAsync().ConfigureAwait(false);
                var (own, kubelet) = (FileFacts.Read(settings.Socket), FileFacts.Read(settings.KubeletSocket));
                await KubeletRegistration.RegisterAsync(settings.KubeletSocket, settings.Endpoint, settings.Resource, stopping).ConfigureAwait(false);
                say($"registered {settings.Resource} with {settings.KubeletSocket}");
                (pause, _lastFault) = (FirstPause, null);
                await WatchAsync(own, kubelet, stopping).ConfigureAwait(false);
                say("kubelet has started anew");
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (IsFault(e))
            {
                SayOnce(e.Message);
                await PauseAsync(pause, stopping).ConfigureAwait(false);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    /// <summary>Counts now and then; ends when one of the two sockets is no longer the one it was.</summary>
    private async Task WatchAsync(FileFacts? own, FileFacts? kubelet, CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(settings.Interval, clock);
        while (IsStill(own, settings.Socket) && IsStill(kubelet, settings.KubeletSocket))
        {
            await timer.WaitForNextTickAsync(stopping).ConfigureAwait(false);
            try
            {
                Count();
                _lastFault = null;
            }
            catch (Exception e) when (IsFault(e))
            {
                // What was told before is a better guess than nothing.
                SayOnce(e.Message);
            }
        }
    }

    private void Count()
    {
        var count = take();
        if (_counts.Set(count))
        {
            say($"{settings.Resource}: {count.Usable} of {count.Total}");
        }
    }

    private static bool IsFault(Exception e) => e is IOException or UnauthorizedAccessException or StoreException;

    private static bool IsStill(FileFacts? before, string path) => before is { } known && FileFacts.Read(path) is { } now && now.IsSameFileAs(known);

    private void SayOnce(string fault)
    {
        if (fault != _lastFault)
        {
            say(_lastFault = fault);
        }
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken stopping)
    {
        try
        {
            await Task.Delay(pause, clock, stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The loop's condition ends it.
        }
    }
}

/// <summary>What is told to whom.</summary>
/// <param name="Resource">What pods ask for.</param>
/// <param name="KubeletDir">Kubelet's directory for device plugins.</param>
internal sealed record AdvertiserSettings(string Resource, string KubeletDir)
{
    // sun_path of struct sockaddr_un (linux/un.h) has 108 bytes, the last one is NUL.
    private const int LongestPath = 107;

    /// <summary>How often sockets, store and listeners are looked at.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Name of our socket.</summary>
    public string Endpoint { get; } = Resource.Replace('/', '-') + ".sock";

    public string Socket => Path.Combine(KubeletDir, Endpoint);

    public string KubeletSocket => Path.Combine(KubeletDir, "kubelet.sock");

    /// <summary>What is wrong with the two together, or null.</summary>
    public string? FindFault() =>
        Encoding.UTF8.GetByteCount(Socket) > LongestPath ? $"{Socket}: longer than {LongestPath} bytes, which no socket's path is: choose a shorter --resource" : null;
}
