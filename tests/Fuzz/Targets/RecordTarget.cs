using System.Text;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Testbed;

namespace CniIsolator.Fuzz;

/// <summary>
/// The store's files, damaged: each is refused with a reason, or it is a record that is written as it was read and that the data path
/// can be computed from.
/// </summary>
public sealed class RecordTarget : Target
{
    // A reason is printed in a line of `doctor`.
    private const int LongestReason = 1000;

    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "Ipam.Tests", "Golden");

    private static readonly byte[] Networks =
        """
        {"version":1,"networks":[{"name":"n","bootId":"b","hostNetns":"4:1","ports":"31000-32000","ephemeralPorts":"32768-57343","ephemeralPortsPerContainer":1024}]}
        """u8.ToArray();

    public override string Name => "records";

    public override int Weight => 20;

    public override IReadOnlyList<byte[]> Seeds { get; } = [.. Directory.GetFiles(Folder, "*.json").Order(StringComparer.Ordinal).Select(File.ReadAllBytes), Networks];

    public override IReadOnlyList<string> Words { get; } =
    [
        "\"version\": 3,", "\"version\": 1,", "\"state\": \"creating\",", "\"deleting\"", "\"mac\": \"zz\",", "\"address\": \"::1\",", "\"address\": \"1\",", "\"slot\": 4096,", "\"hostEnd\": -1,", "\"mtu\": 0,",
        "\"prefixLength\": 33,", "\"fixed\": [null],", "\"fixed\": null,", "\"host\": null,", "\"before\": {},", "{\"begin\": 5, \"end\": 4}", "\"args\": {\"a\": null},", "\"change\": {},", "\"rate\": -1,", "\"network\": \"../x\",",
        "\"containerId\": \"\",", "\"ifName\": \"a b\",", "\"path\": \"\\u0000\",", "\"sysctls\": {\"../../x\": \"1\"},", "\"created\": \"x\",", "\"master\": \"../x\",", "9223372036854775808",
    ];

    public override IEnumerable<byte[]> Extremes
    {
        get
        {
            const int Large = 1 << 20;
            yield return [];
            yield return new byte[Large];
            yield return Encoding.UTF8.GetBytes(new string('[', Large));
            yield return Encoding.UTF8.GetBytes("{\"version\": 2, \"x\": \"" + new string('a', Large) + "\"}");
            yield return Encoding.UTF8.GetBytes("{\"version\": 1, \"slices\": [" + string.Join(',', Enumerable.Repeat("\"1-2\"", Large / 6)) + "]}");
            yield return Encoding.UTF8.GetBytes("{\"version\": 1, \"slices\": [" + string.Join(',', Enumerable.Range(0, 65536).Select(p => $"\"{p}\"")) + "]}");
        }
    }

    public override void Try(byte[] input, Random random)
    {
        TryRead(() =>
        {
            var attachment = StoreFormat.ReadAttachment(input);
            var path = AttachmentPath.Of(attachment);
            _ = PortDemultiplexer.OnMaster(path).Concat(PortDemultiplexer.OnLoopback(path)).Concat(SourcePolicing.OnHostEnd(path)).Concat(ContainerFilters.OnLoopback(path)).Count();
            Promise(attachment.HostInterface.Length == 15, $"host interface {attachment.HostInterface}");
            Promise(attachment.Equals(StoreFormat.ReadAttachment(StoreFormat.Write(attachment))), "an attachment is not read as written");
        });
        TryRead(() => Again(StoreFormat.Write(StoreFormat.ReadHost(input)), StoreFormat.ReadHost, StoreFormat.Write));
        TryRead(() => Again(StoreFormat.Write(StoreFormat.ReadFreed(input)), StoreFormat.ReadFreed, StoreFormat.Write));
        TryRead(() => Again(StoreFormat.Write(StoreFormat.ReadNetworks(input)), StoreFormat.ReadNetworks, StoreFormat.Write));
    }

    private delegate T Reader<out T>(ReadOnlySpan<byte> json);

    private static void Again<T>(byte[] written, Reader<T> read, Func<T, byte[]> write) =>
        Promise(write(read(written)).AsSpan().SequenceEqual(written), "a record is not read as written");

    private static void TryRead(Action read)
    {
        try
        {
            read();
        }
        catch (RecordFormatException e)
        {
            Promise(e.Message.Length is > 0 and <= LongestReason, $"a reason of {e.Message.Length} characters: {e.Message[..Math.Min(200, e.Message.Length)]}");
        }
    }
}
