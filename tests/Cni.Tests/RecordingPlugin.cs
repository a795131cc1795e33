namespace CniIsolator.Cni.Tests;

/// <summary>Remembers what it was asked and does what the test wants.</summary>
internal sealed class RecordingPlugin : ICniPlugin
{
    public List<CniRequest> Requests { get; } = [];

    public List<CniRequest> Undelivered { get; } = [];

    public Action<CniRequest> OnCall { get; init; } = _ => { };

    public Func<string, bool> OwnNetns { get; init; } = _ => false;

    public CniResult Result { get; init; } = Samples.Result;

    public CniResult Add(CniRequest request)
    {
        Record(request);
        return Result;
    }

    public void Delete(CniRequest request) => Record(request);

    public void Check(CniRequest request) => Record(request);

    public void CollectGarbage(CniRequest request) => Record(request);

    public void Status(CniRequest request) => Record(request);

    public bool IsOwnNetworkNamespace(string path) => OwnNetns(path);

    public void ResultNotDelivered(CniRequest request) => Undelivered.Add(request);

    private void Record(CniRequest request)
    {
        Requests.Add(request);
        OnCall(request);
    }
}
