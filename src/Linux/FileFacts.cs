namespace CniIsolator.Linux;

/// <summary>What is known about a directory entry without following a symbolic link.</summary>
/// <param name="Mode">File type and permissions, as st_mode.</param>
/// <param name="Owner">User id.</param>
/// <param name="Device">Major number in the upper, minor number in the lower half.</param>
/// <param name="Inode">Unique on the device.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Changed">When content, name or mode last changed (ctime), nanoseconds since 1970.</param>
public readonly record struct FileFacts(ushort Mode, uint Owner, ulong Device, ulong Inode, ulong Size, long Changed)
{
    private const ushort TypeMask = 0xf000; // S_IFMT

    public bool IsDirectory => (Mode & TypeMask) == 0x4000;

    public bool IsRegularFile => (Mode & TypeMask) == 0x8000;

    public bool IsSymbolicLink => (Mode & TypeMask) == 0xa000;

    public bool IsCharacterDevice => (Mode & TypeMask) == 0x2000;

    public bool IsSocket => (Mode & TypeMask) == 0xc000;

    /// <summary>Whether group or others may write.</summary>
    public bool IsWritableByOthers => (Mode & 0b010_010) != 0;

    /// <summary>Whether anybody may remove or rename an entry of this directory, whoever owns the entry.</summary>
    public bool IsOpenToAll => (Mode & 0b1_000_000_010) == 0b10;

    /// <summary>The permission bits, 0 to 0xfff.</summary>
    public int Permissions => Mode & 0xfff;

    public bool IsSameFileAs(FileFacts other) => Device == other.Device && Inode == other.Inode;

    /// <summary>Looks at a path; a symbolic link is reported, not followed.</summary>
    /// <returns>The facts, or null when nothing is there.</returns>
    /// <exception cref="IOException">Any other failure of statx(2).</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static FileFacts? Read(string path) => FileCalls.Stat(path);

    /// <summary>The effective user id of this process.</summary>
    public static uint CurrentUser => FileCalls.CurrentUser();

    /// <summary>Whether a process with this id exists, ours or not.</summary>
    public static bool ProcessExists(int pid) => FileCalls.ProcessExists(pid);

    /// <summary>Creates a directory whose permissions are exactly <paramref name="mode"/> whatever the umask is.</summary>
    /// <returns>False when something of that name exists.</returns>
    /// <exception cref="IOException">Any other failure.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static bool TryCreateDirectory(string path, UnixFileMode mode) => FileCalls.TryMakeDirectory(path, (uint)mode);

    /// <summary>Removes an empty directory. Unlike <see cref="Directory.Delete(string)"/> it does not call a read-only file system a lack of permission.</summary>
    /// <exception cref="IOException">It is not empty, or another failure.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static void RemoveDirectory(string path) => FileCalls.RemoveDirectory(path);
}
