using System.Text.Json.Nodes;
using CniIsolator.Exporter.CommandLine;
using CniIsolator.Exporter.Kubernetes;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>The manifests: that they parse, that the programs take their command lines, and that mounts, names and ports fit together.</summary>
public sealed class KubernetesTests
{
    private const string Installer = "/cni-portmap-exporter";
    private const string Conflist = "10-portmap-isolate.conflist";

    public static TheoryData<string, string> Containers
    {
        get
        {
            TheoryData<string, string> all = [];
            foreach (string file in (string[])["daemonset.yaml", "uninstall.yaml"])
            {
                foreach (JsonObject container in ContainersOf(DaemonSet(file)))
                {
                    all.Add(file, (string)container["name"]!);
                }
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public void The_programs_take_the_command_line(string file, string name)
    {
        JsonObject container = Container(file, name);
        string[] args = Arguments(container);
        if ((string)container["command"]![0]! == Installer)
        {
            ExporterOptions options = new();
            Assert.Empty(options.Command.Parse(args.Select(one => one.Replace("$(NODE_ADDRESS)", "192.0.2.1", StringComparison.Ordinal)).ToArray()).Errors);
        }
        else
        {
            Assert.Equal("/cni-portmap-isolate", (string)container["command"]![0]!);
            Assert.Equal(0, CommandResult.Run(Plugin.DefaultBinary, [.. args, "--help"]).ExitCode);
        }
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public void Every_path_in_it_is_mounted_or_in_the_image(string file, string name)
    {
        JsonObject container = Container(file, name);
        string[] mounts = [.. container["volumeMounts"]!.AsArray().Select(one => (string)one!["mountPath"]!)];
        foreach (string argument in Arguments(container).Where(one => one.Contains("=/", StringComparison.Ordinal)))
        {
            string path = argument[(argument.IndexOf('=') + 1)..];
            bool inImage = path is "/cni-portmap-isolate" or Installer || path.StartsWith("/conf/", StringComparison.Ordinal);
            Assert.True(inImage || mounts.Any(mount => path == mount || path.StartsWith(mount + "/", StringComparison.Ordinal)), $"{argument} is not below {string.Join(", ", mounts)}");
            Assert.True(!path.StartsWith("/conf/", StringComparison.Ordinal) || File.Exists(Repository.Root + path), $"{path} is not in conf/");
        }

        string[] volumes = [.. Pod(DaemonSet(file))["volumes"]!.AsArray().Select(one => (string)one!["name"]!)];
        Assert.Empty(container["volumeMounts"]!.AsArray().Select(one => (string)one!["name"]!).Except(volumes));
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public void It_is_confined_as_far_as_it_can_be(string file, string name)
    {
        JsonNode security = Container(file, name)["securityContext"]!;
        Assert.True((bool)security["readOnlyRootFilesystem"]!);
        if (name == "host")
        {
            return;
        }

        Assert.Equal(["ALL"], security["capabilities"]!["drop"]!.AsArray().Select(one => (string)one!));
        Assert.Equal("RuntimeDefault", (string)security["seccompProfile"]!["type"]!);

        // The API server refuses the two together, and DAC_OVERRIDE is for installers alone.
        string[] added = [.. (security["capabilities"]!["add"]?.AsArray() ?? []).Select(one => (string)one!)];
        Assert.Equal(added.Contains("SYS_ADMIN"), security["allowPrivilegeEscalation"] is null);
        Assert.Equal(name is "install" or "files", added.Contains("DAC_OVERRIDE"));
    }

    [Theory]
    [InlineData("daemonset.yaml")]
    [InlineData("uninstall.yaml")]
    public void A_daemon_set_selects_its_own_pods_and_nobody_has_a_token(string file)
    {
        JsonObject set = DaemonSet(file);
        Assert.True(JsonNode.DeepEquals(set["spec"]!["selector"]!["matchLabels"], set["spec"]!["template"]!["metadata"]!["labels"]));
        Assert.False((bool)Pod(set)["automountServiceAccountToken"]!);
        Assert.Equal("portmap-isolate", (string)Pod(set)["serviceAccountName"]!);
        Assert.Equal("portmap-isolate", (string)set["metadata"]!["namespace"]!);
    }

    [Fact]
    public void There_is_no_role() =>
        Assert.Equal(["ServiceAccount", "DaemonSet"], ParsedFile.Yaml("kubernetes/daemonset.yaml").Select(one => (string)one["kind"]!));

    [Fact]
    public void Install_and_remove_are_for_different_nodes() => Assert.Equal(
        ("installed", "remove"),
        ((string)Pod(DaemonSet("daemonset.yaml"))["nodeSelector"]!["portmap-isolate/state"]!, (string)Pod(DaemonSet("uninstall.yaml"))["nodeSelector"]!["portmap-isolate/state"]!));

    [Fact]
    public void Kustomization_names_files_that_are_there_and_the_image_and_map_that_are_used()
    {
        JsonObject kustomization = Assert.Single(ParsedFile.Yaml("kubernetes/kustomization.yaml"));
        Assert.All(kustomization["resources"]!.AsArray(), one => Assert.True(File.Exists(ConfFile.PathOf($"kubernetes/{one}")), $"{one}"));
        JsonNode map = Assert.Single(kustomization["configMapGenerator"]!.AsArray())!;
        Assert.Equal([Conflist], map["files"]!.AsArray().Select(one => (string)one!));
        JsonObject set = DaemonSet("daemonset.yaml");
        JsonNode volume = Pod(set)["volumes"]!.AsArray().Single(one => one!["configMap"] is not null)!;
        Assert.Equal((string)map["name"]!, (string)volume["configMap"]!["name"]!);
        string image = (string)Assert.Single(kustomization["images"]!.AsArray())!["name"]!;
        Assert.All(ContainersOf(set), one => Assert.Equal(image, (string)one["image"]!));
        Assert.All(ContainersOf(DaemonSet("uninstall.yaml")), one => Assert.Equal($"{image}:{kustomization["images"]![0]!["newTag"]}", (string)one["image"]!));
        Assert.Equal(ExporterCommand.Version, (string)kustomization["images"]![0]!["newTag"]!);
    }

    [Fact]
    public void The_example_pod_asks_for_what_is_there()
    {
        JsonObject pod = Assert.Single(ParsedFile.Yaml("kubernetes/pod.yaml"));
        JsonNode container = Assert.Single(pod["spec"]!["containers"]!.AsArray())!;
        Assert.Equal(1, (int)container["resources"]!["limits"]![ResourceName.Default]!);
        Assert.True(JsonNode.DeepEquals(container["resources"]!["limits"], container["resources"]!["requests"]));
        Assert.Contains($"--resource={ResourceName.Default}", Arguments(Container("daemonset.yaml", "advertise")));
        JsonNode port = Assert.Single(container["ports"]!.AsArray())!;
        Assert.Equal((int)port["hostPort"]!, (int)port["containerPort"]!);
        JsonNode network = JsonNode.Parse(ConfFile.Read($"kubernetes/{Conflist}"))!["plugins"]![0]!;
        Assert.True(Ipam.PortSet.Parse((string)network["ports"]!).Contains((int)port["hostPort"]!));

        // Node ports, unless the API server is told otherwise.
        Assert.False(Ipam.PortSet.Parse($"{network["ports"]},{network["ephemeralPorts"]}").Overlaps(Ipam.PortRange.Parse("30000-32767")));
    }

    private static JsonObject DaemonSet(string file) => ParsedFile.Yaml($"kubernetes/{file}").Single(one => (string)one["kind"]! == "DaemonSet");

    private static JsonNode Pod(JsonObject set) => set["spec"]!["template"]!["spec"]!;

    private static IEnumerable<JsonObject> ContainersOf(JsonObject set) =>
        Pod(set)["initContainers"]!.AsArray().Concat(Pod(set)["containers"]!.AsArray()).Select(one => one!.AsObject());

    private static JsonObject Container(string file, string name) => ContainersOf(DaemonSet(file)).Single(one => (string)one["name"]! == name);

    private static string[] Arguments(JsonObject container) => [.. container["args"]!.AsArray().Select(one => (string)one!)];
}
