using System.Text;

namespace CniIsolator.Cni.Tests;

internal static class Samples
{
    public const string Netns = "/run/netns/x";

    /// <summary>What the plugin itself yields: host veth, container interface, one address, the default route.</summary>
    public static readonly CniResult Result = new()
    {
        Interfaces =
        [
            new CniInterface("pmi0123456789ab", "02:00:00:00:00:01", 1500),
            new CniInterface("eth0", "02:00:00:00:00:02", 1500, Netns),
        ],
        Ips = [new CniIp("192.0.2.5/24", "192.0.2.1", 1)],
        Routes = [new CniRoute("0.0.0.0/0", "192.0.2.1")],
    };

    public static CniConfig Parse(string json) => CniConfig.Parse(Encoding.UTF8.GetBytes(json));

    public static CniException Fails(string json) => Assert.Throws<CniException>(() => Parse(json));

    public static string Text(byte[] json) => Encoding.UTF8.GetString(json);
}
