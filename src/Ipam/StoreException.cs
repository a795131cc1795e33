using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>The store cannot be used. The message names the path and what is wrong with it.</summary>
public class StoreException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether the file system is full or read-only: a fault of no single file.</summary>
    public bool IsUnwritable => FileSystem.IsUnwritable(InnerException);
}

/// <summary>Another process held the store's lock for longer than the caller would wait.</summary>
public sealed class StoreBusyException(string message) : StoreException(message);

/// <summary>A record's content cannot be used. The message is the reason, without the path.</summary>
public sealed class RecordFormatException(string message, Exception? inner = null) : Exception(OneLine(message), inner)
{
    private const int Longest = 300;

    /// <summary>Whether an earlier release wrote it.</summary>
    public bool IsOfOlderVersion { get; init; }

    // A parser's message may have half of the damaged file in it, and is told in one line of a list.
    private static string OneLine(string message)
    {
        var line = message.Length > Longest ? message[..Longest] + "..." : message;
        return string.Create(line.Length, line, static (characters, text) =>
        {
            for (var i = 0; i < text.Length; i++)
            {
                characters[i] = char.IsControl(text[i]) ? ' ' : text[i];
            }
        });
    }
}
