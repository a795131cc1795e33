using System.Text;

namespace CniIsolator.Cni.Tests;

/// <summary>Whatever bytes come in, the outcome is a configuration or a CNI error, and the reply one JSON document.</summary>
public sealed class MutationTests
{
    private const string Seed = """
        {"cniVersion":"1.1.0","name":"net","type":"t","dns":{"nameservers":["10.0.0.1"],"domain":"d","search":[],"options":null},
         "prevResult":{"interfaces":[{"name":"a","mac":"m","sandbox":"s","mtu":1500}],"ips":[{"version":"4","address":"10.0.0.5/24","gateway":"10.0.0.1","interface":0}],"routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1","mtu":5}],"dns":{}},
         "runtimeConfig":{"portMappings":[{"HostPort":31005,"ContainerPort":31005,"Protocol":"tcp","HostIP":""}],"bandwidth":{"ingressRate":1e+09,"egressBurst":34359738359},"cgroupPath":"/x"},
         "args":{"org.apache.mesos":{"network_info":{"port_mappings":[{"host_port":31006,"container_port":31006}],"labels":{"labels":[{"key":"cpus","value":"2\ud83d\ude00"}]}}}},
         "cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]}
        """;

    private static readonly string[] Fragments =
        ["null", "[]", "{}", "\"\"", "-1", "1e999", "1e-999", "0.5", "true", "\"\\ud800\"", "\"\\u0000\"", "\\", "\"", ":", ",", "\\u", "99999999999999999999", "\ufeff", "ſ"];

    private static readonly string[] Commands = ["ADD", "DEL", "CHECK", "GC", "STATUS"];

    [Fact]
    public void Mutated_configurations()
    {
        var random = new Random(20240817);
        for (var i = 0; i < 6000; i++)
        {
            Try(Mutate(random, Encoding.UTF8.GetBytes(Seed)), Commands[i % Commands.Length]);
        }
    }

    [Fact]
    public void Values_replaced_by_other_values()
    {
        // Keeps the text valid JSON most of the time, so that the typed readers get what the parser lets through.
        var random = new Random(4711);
        var tokens = System.Text.RegularExpressions.Regex.Matches(Seed, "\"[^\"]*\"|[0-9][0-9e+]*|null|\\[\\]|\\{\\}");
        for (var i = 0; i < 6000; i++)
        {
            var json = Seed;
            foreach (var token in tokens.OrderBy(_ => random.Next()).Take(random.Next(1, 4)).OrderByDescending(t => t.Index))
            {
                json = json[..token.Index] + Fragments[random.Next(Fragments.Length)] + json[(token.Index + token.Length)..];
            }

            Try(Encoding.UTF8.GetBytes(json), Commands[i % Commands.Length]);
        }
    }

    [Fact]
    public void Random_bytes()
    {
        var random = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            var bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);
            Try(bytes, Commands[i % Commands.Length]);
        }
    }

    private static byte[] Mutate(Random random, byte[] json)
    {
        var bytes = json.ToList();
        for (var n = random.Next(1, 6); n > 0; n--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, random.Next(Math.Min(20, bytes.Count - at)));
                    break;
                case 2:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Fragments[random.Next(Fragments.Length)]));
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(60), bytes.Count - at)));
                    break;
                default:
                    bytes[at] ^= 0x20;
                    break;
            }
        }

        return [.. bytes];
    }

    private static void Try(byte[] json, string command)
    {
        var plugin = new RecordingPlugin
        {
            OnCall = request =>
            {
                request.Config.RuntimeConfig.ReadPortMappings();
                request.Config.RuntimeConfig.ReadBandwidth();
                request.Config.RuntimeConfig.ReadCgroupPath();
                _ = request.Config.Mesos;
                _ = request.Config.Type;
                request.Config.ReadDns();
                request.Config.ReadPreviousResult();
                request.Config.ReadValidAttachments();
            },
        };
        var call = new Call(command) { Plugin = plugin, Stdin = new MemoryStream(json) }.Run();
        if (call.ExitCode == 0)
        {
            return;
        }

        // 999 would be an exception nobody foresaw.
        Assert.True(call.Code is 1 or 6 or 7, $"{call.Out}\n{Encoding.UTF8.GetString(json)}");
    }
}
