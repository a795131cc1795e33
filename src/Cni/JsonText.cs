using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace CniIsolator.Cni;

/// <summary>How every document for a runtime is laid out: four spaces, as people know it from other plugins.</summary>
internal static class JsonText
{
    // The default encoder would turn a quote in a message into \u0022, which people then read in kubelet's log.
    private static readonly JsonWriterOptions Options = new()
    {
        Indented = true,
        IndentSize = 4,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, Options))
        {
            write(writer);
        }

        return buffer.WrittenSpan.ToArray();
    }
}
