using System.Globalization;
using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>Whether the store's directory, or the one that it will be made in, takes a file of the size of a record.</summary>
internal static class StoreProbe
{
    // A record has some two thousand bytes; file systems give out no less than this.
    private const int Size = 4096;

    /// <exception cref="StoreException">It does not, or the directory cannot be trusted.</exception>
    internal static void Run(StoreDirectory directory)
    {
        if (directory.IsUsable(FileFacts.CurrentUser))
        {
            // A temporary file of the store: left behind by a process that is killed, it goes with the next transaction.
            Write(directory.Path, directory.PathOf(Name("probe")));
            return;
        }

        for (var parent = Path.GetDirectoryName(directory.Path); parent is not null; parent = Path.GetDirectoryName(parent))
        {
            if (Directory.Exists(parent))
            {
                Write(directory.Path, Path.Combine(parent, Name("cni-portmap-isolate")));
                return;
            }
        }
    }

    private static string Name(string of) => string.Create(CultureInfo.InvariantCulture, $".{of}.{Environment.ProcessId}.tmp");

    private static void Write(string store, string path)
    {
        try
        {
            // Of an earlier process of the same number.
            File.Delete(path);
            using var file = PrivateFile.Create(path);
            try
            {
                RandomAccess.Write(file, new byte[Size], 0);
                PrivateFile.Flush(file, path);
            }
            finally
            {
                File.Delete(path);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StoreDirectory.Failure("write to", store, e);
        }
    }
}
