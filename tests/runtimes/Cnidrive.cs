using CniIsolator.Testbed;

namespace CniIsolator.Runtimes.Tests;

/// <summary>The driver of libcni, cnidrive/main.go, built with Debian's Go and Debian's libcni.</summary>
public sealed class Cnidrive(Frame frame)
{
    private static readonly Lazy<string> Binary = new(Build);

    /// <summary>A command for a container whose namespace has its id for a name. Settings are `CAPABILITIES=…`, `ARGS=…` and `NETNS=…`.</summary>
    public CommandResult Run(string command, string network, string id, params string[] settings)
    {
        string netns = settings.FirstOrDefault(one => one.StartsWith("NETNS=", StringComparison.Ordinal))?["NETNS=".Length..] ?? $"/run/netns/{id}";
        return frame.Execute(["env", .. Environment, .. settings, Binary.Value, command, network, netns, id, "eth0"]);
    }

    /// <summary>VERSION of each plugin; prints the capabilities.</summary>
    public CommandResult Validate(string network) => frame.Execute(["env", .. Environment, Binary.Value, "validate", network]);

    private static string[] Environment => ["CONF_DIR=/etc/cni/net.d", "CNI_PATH=/opt/cni/bin:/usr/lib/cni", "CACHE_DIR=/var/lib/cni"];

    /// <summary>Go finds out by itself whether there is something to do.</summary>
    private static string Build()
    {
        string made = Frame.At("artifacts/cnidrive");
        CommandResult.Run(
            "env", "GO111MODULE=off", "GOPATH=/usr/share/gocode", $"GOCACHE={Frame.At("artifacts/go-cache")}", "CGO_ENABLED=0",
            "go", "build", "-o", made, $"{Frame.At("tests/runtimes/cnidrive/main.go")}").Require();
        return made;
    }
}
