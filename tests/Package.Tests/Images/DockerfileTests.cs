using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Package.Tests.Images;

/// <summary>
/// The Dockerfile without an engine: what COPY brings is copied, the commands of RUN are run on that, and what the final stage holds is
/// run in a root directory with nothing else.
/// </summary>
public sealed partial class DockerfileTests : IDisposable
{
    /// <summary>DOCKERFILE_BUILD=full has the NativeAOT compiler run, too, which takes minutes: `make test-dockerfile`.</summary>
    private static readonly bool Full = Environment.GetEnvironmentVariable("DOCKERFILE_BUILD") == "full";

    private readonly Dockerfile _file = Dockerfile.Parse(File.ReadAllText(Path.Combine(Repository.Root, "Dockerfile")));
    private readonly BuildContext _context = new(Repository.Root, File.ReadAllText(Path.Combine(Repository.Root, ".dockerignore")));
    private readonly Scratch _build = new("build");
    private readonly Scratch _image = new("image");

    private Stage Build => _file.Stages[0];

    private Stage Final => _file.Stages[^1];

    public void Dispose()
    {
        _build.Dispose();
        _image.Dispose();
    }

    [Fact]
    public void The_SDK_is_one_that_global_json_accepts()
    {
        using JsonDocument global = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "global.json")));
        string[] version = global.RootElement.GetProperty("sdk").GetProperty("version").GetString()!.Split('.');
        Assert.EndsWith($"/sdk:{version[0]}.{version[1]}", Build.Image, StringComparison.Ordinal);
    }

    [Fact]
    public void The_final_stage_is_empty_but_for_programs_conf_and_licence()
    {
        Assert.Equal("scratch", Final.Image);
        Assert.DoesNotContain(Final.Instructions, one => one.Keyword is "RUN" or "WORKDIR");
        AssembleImage(Programs.PathOf);
        string[] expected =
        [
            Programs.Exporter, Programs.Plugin, "LICENSE",
            .. Directory.GetFiles(Path.Combine(Repository.Root, "conf"), "*", SearchOption.AllDirectories)
                .Select(file => Path.GetRelativePath(Repository.Root, file)),
        ];
        Assert.Equal(expected.Order(), Directory.GetFiles(_image.Path, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(_image.Path, file)).Order());
    }

    [Fact]
    public void The_label_has_the_programs_version() =>
        Assert.Contains($"image.version=\"{Programs.Version}\"", Final.Instructions.Single(one => one.Keyword == "LABEL").Arguments, StringComparison.Ordinal);

    [Theory]
    [InlineData("artifacts/bin/cni-portmap-isolate")]
    [InlineData("src/Cni/obj/project.assets.json")]
    [InlineData("src/cni-portmap-isolate/bin/Release/net10.0/x.dll")]
    [InlineData(".git/config")]
    [InlineData("tests/Testbed/Wait.cs")]
    public void What_is_not_needed_is_not_sent(string path) => Assert.False(_context.Contains(path));

    /// <summary>
    /// In short, tests/publish.sh is replaced by the compilation that it begins with, for the same framework: what is then missing is the
    /// NativeAOT compiler and the linker, which `make build` runs by the same script, over the same sources.
    /// </summary>
    [Fact]
    public void Each_step_of_the_build_works_on_what_is_copied()
    {
        string place = _build.Path;
        List<string> published = [];
        foreach (Instruction instruction in Build.Instructions)
        {
            switch (instruction.Keyword)
            {
                case "WORKDIR":
                    place = _build.At(instruction.Arguments);
                    Directory.CreateDirectory(place);
                    break;
                case "COPY":
                    _context.Copy(instruction.Words[..^1], instruction.Words[^1], place);
                    break;
                case "RUN":
                    foreach (string command in instruction.Arguments.Split("&&", StringSplitOptions.TrimEntries))
                    {
                        // What is run is run on this machine: nothing but the repository's own scripts.
                        Assert.Matches(Script(), command);
                        Run(place, command);
                        published.AddRange(PublishCommand().Matches(command).Select(match => match.Groups[1].Value));
                    }

                    break;
            }
        }

        // The same that `make build` publishes.
        Assert.Equal([Programs.Exporter, Programs.Plugin], published.Order(StringComparer.Ordinal));
        if (Full)
        {
            AssembleImage(path => _build.At(path));
            AssertPrograms();
        }
    }

    [Fact]
    public void The_programs_are_static_and_run_in_an_empty_root()
    {
        AssembleImage(Programs.PathOf);
        AssertPrograms();
    }

    [Fact]
    public void The_entry_point_serves_in_an_empty_root()
    {
        AssembleImage(Programs.PathOf);
        string[] entry = JsonSerializer.Deserialize<string[]>(Final.Instructions.Single(one => one.Keyword == "ENTRYPOINT").Arguments)!;
        using Namespace host = Namespace.Create("image");
        host.Ip("link set lo up");

        // What an engine mounts into every container.
        Directory.CreateDirectory(_image.At("proc"));
        host.Start("unshare", ["--mount", "sh", "-c", "mount -t proc proc \"$1/proc\" && exec chroot \"$@\"", "sh", _image.Path, .. entry]);
        string answer = "";
        Wait.Until(() => (answer = Get(host)).Length > 0, "the exporter's answer");
        Assert.Contains("200 OK", answer, StringComparison.Ordinal);
    }

    private static string Get(Namespace host)
    {
        try
        {
            using TcpClient client = host.Run(() => new TcpClient(AddressFamily.InterNetwork));
            client.Connect(IPAddress.Loopback, ExporterProcess.Port);
            using NetworkStream stream = client.GetStream();
            stream.Write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8);
            using StreamReader reader = new(stream);
            return reader.ReadToEnd();
        }
        catch (SocketException)
        {
            return "";
        }
    }

    private static void Run(string place, string command)
    {
        if (!Full && PublishCommand().Match(command) is { Success: true } publish)
        {
            string project = $"src/{publish.Groups[1].Value}";
            command = $"dotnet build {project} -c Release -f net10.0 -v q --disable-build-servers --artifacts-path artifacts/build -p:RunAnalyzers=false";
        }

        // No compiler or build node is to wait for more work when the test is over.
        CommandResult.RunIn(place, TimeSpan.FromMinutes(Full ? 40 : 15), "env", "MSBUILDDISABLENODEREUSE=1", "UseSharedCompilation=false", "sh", "-c", command).Require();
    }

    /// <summary>The final stage's files; those of the build stage are where the function says.</summary>
    private void AssembleImage(Func<string, string> built)
    {
        foreach (Instruction copy in Final.Instructions.Where(one => one.Keyword == "COPY"))
        {
            if (copy.Flag("from") is not { } stage)
            {
                _context.Copy(copy.Words[..^1], copy.Words[^1], _image.Path);
                continue;
            }

            Assert.Equal(Build.Name, stage);
            Assert.EndsWith("/", copy.Words[^1], StringComparison.Ordinal);
            string workplace = Build.Instructions.Single(one => one.Keyword == "WORKDIR").Arguments;
            foreach (string source in copy.Words[..^1])
            {
                // Where tests/publish.sh leaves them.
                Assert.Equal($"{workplace}/artifacts/bin", Path.GetDirectoryName(source));
                string from = built == Programs.PathOf ? Programs.PathOf(Path.GetFileName(source)) : built(source);
                File.Copy(from, Path.Combine(_image.At(copy.Words[^1]), Path.GetFileName(source)));
            }
        }
    }

    private void AssertPrograms()
    {
        foreach (string program in (string[])[Programs.Plugin, Programs.Exporter])
        {
            Programs.AssertStatic(_image.At(program));
            Assert.Equal(Programs.Version, CommandResult.Run("chroot", _image.Path, $"/{program}", "--version").Require().Trim());
            string help = CommandResult.Run("chroot", _image.Path, $"/{program}", "--help").Require();
            Assert.Contains("Usage:", help, StringComparison.Ordinal);
        }

        CommandResult about = CommandResult.Run("chroot", _image.Path, $"/{Programs.Plugin}");
        Assert.Contains($"v{Programs.Version}", about.Error, StringComparison.Ordinal);
        string versions = CommandResult.Run("env", "CNI_COMMAND=VERSION", "chroot", _image.Path, $"/{Programs.Plugin}").Require();
        using JsonDocument told = JsonDocument.Parse(versions);
        Assert.Contains(told.RootElement.GetProperty("supportedVersions").EnumerateArray(), one => one.GetString() == "1.1.0");
    }

    [GeneratedRegex(@"^tests/(deps\.sh|publish\.sh [\w-]+)$")]
    private static partial Regex Script();

    [GeneratedRegex(@"^tests/publish\.sh ([\w-]+)$")]
    private static partial Regex PublishCommand();
}
