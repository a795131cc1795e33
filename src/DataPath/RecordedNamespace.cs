using CniIsolator.Ipam;
using CniIsolator.Linux;

namespace CniIsolator.DataPath;

/// <summary>Opens the namespace that a record names.</summary>
public static class RecordedNamespace
{
    /// <summary>The namespace that an attachment was made in, if a path still leads to it; else null.</summary>
    /// <param name="attachment">Its record.</param>
    /// <param name="path">Where to look.</param>
    public static NetworkNamespace? TryOpen(Attachment attachment, string path)
    {
        if (path.Length == 0)
        {
            return null;
        }

        try
        {
            var container = NetworkNamespace.Open(path);
            if (container.Identity == attachment.Namespace.Identity)
            {
                return container;
            }

            container.Dispose();
        }
        catch (IOException)
        {
            // There is nothing at the path, or no namespace.
        }

        return null;
    }
}
