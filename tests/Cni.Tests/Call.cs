using System.Text;
using System.Text.Json;

namespace CniIsolator.Cni.Tests;

/// <summary>One call of the dispatcher, with an environment in which every variable is set, and what came of it.</summary>
internal sealed class Call
{
    private readonly Dictionary<string, string> environment = new()
    {
        ["CNI_CONTAINERID"] = "c1",
        ["CNI_NETNS"] = Samples.Netns,
        ["CNI_IFNAME"] = "eth0",
        ["CNI_PATH"] = "/opt/cni/bin",
    };

    private readonly MemoryStream stdout = new();
    private readonly StringWriter stderr = new();

    public Call(string? command, string stdin = """{"cniVersion":"1.1.0","name":"net","type":"t"}""")
    {
        if (command is not null)
        {
            environment["CNI_COMMAND"] = command;
        }

        Stdin = new MemoryStream(Encoding.UTF8.GetBytes(stdin));
    }

    public RecordingPlugin Plugin { get; init; } = new();

    public Stream Stdin { get; init; }

    /// <summary>Where the reply goes instead of into <see cref="Out"/>.</summary>
    public Stream? Stdout { get; init; }

    public int ExitCode { get; private set; } = -1;

    public string Out => Encoding.UTF8.GetString(stdout.ToArray());

    public string Err => stderr.ToString();

    /// <summary>The reply; parsing fails unless there is exactly one document.</summary>
    public JsonElement Reply => JsonDocument.Parse(Out).RootElement;

    public int Code => Reply.GetProperty("code").GetInt32();

    public string Message => Reply.GetProperty("msg").GetString()!;

    public string? Details => Reply.TryGetProperty("details", out var details) ? details.GetString() : null;

    public Call With(string name, string? value)
    {
        if (value is null)
        {
            environment.Remove(name);
        }
        else
        {
            environment[name] = value;
        }

        return this;
    }

    public Call Run()
    {
        ExitCode = CniDispatcher.Run(
            environment.GetValueOrDefault, Stdin, Stdout ?? stdout, stderr, Plugin, "cni-portmap-isolate", "0.1.0");
        return this;
    }

    public void AssertError(int code, string message, string? details = null)
    {
        Assert.Equal((1, code, message), (ExitCode, Code, Message));
        Assert.Equal(details, Details);
        Assert.Contains(Reply.GetProperty("cniVersion").GetString(), CniVersion.All.Select(v => v.Text));
    }
}

/// <summary>A stream that fails whatever it is used for.</summary>
internal sealed class FailingStream : MemoryStream
{
    public int Reads { get; private set; }

    public override int Read(Span<byte> buffer)
    {
        Reads++;
        throw new IOException("Input/output error");
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("Broken pipe");

    public override void Write(byte[] buffer, int offset, int count) => throw new IOException("Broken pipe");
}
