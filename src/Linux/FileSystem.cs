using System.Globalization;

namespace CniIsolator.Linux;

/// <summary>What kind of filesystem a path lies on.</summary>
public static unsafe class FileSystem
{
    /// <summary>Whether this came from a file system that is full (blocks, inodes or quota) or read-only, whatever the file.</summary>
    public static bool IsUnwritable(Exception? e) => e is not null && FileCalls.IsUnwritable(e);

    /// <summary>
    /// Its name, such as "tmpfs" or "ext4", or its number where that is not a common one. Source: linux/magic.h.
    /// </summary>
    /// <exception cref="LinuxException">The path cannot be looked at.</exception>
    public static string KindOf(string path)
    {
        var descriptor = Libc.Open(path, Libc.OpenPathOnly | Libc.OpenCloseOnExec, 0);
        if (descriptor < 0)
        {
            throw LinuxException.FromLastError($"open {path}");
        }

        try
        {
            // struct statfs begins with f_type, a long; 256 bytes hold it on every architecture.
            var buffer = stackalloc byte[256];
            if (Libc.FileSystemStatus(descriptor, buffer) != 0)
            {
                throw LinuxException.FromLastError($"fstatfs {path}");
            }

            return *(long*)buffer switch
            {
                0x01021994 => "tmpfs", // TMPFS_MAGIC
                0x858458f6 => "ramfs", // RAMFS_MAGIC
                0xef53 => "ext4", // EXT4_SUPER_MAGIC
                0x58465342 => "xfs", // XFS_SUPER_MAGIC
                0x9123683e => "btrfs", // BTRFS_SUPER_MAGIC
                0x794c7630 => "overlay", // OVERLAYFS_SUPER_MAGIC
                0x6969 => "nfs", // NFS_SUPER_MAGIC
                var other => string.Create(CultureInfo.InvariantCulture, $"a filesystem of kind {other:x}"),
            };
        }
        finally
        {
            _ = Libc.Close(descriptor);
        }
    }
}
