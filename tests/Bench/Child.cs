using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Bench;

/// <summary>How a program ran, and how long from just before its start until it had ended.</summary>
internal sealed record ChildResult(string Program, double Milliseconds, int ExitCode, string Output, string Error)
{
    /// <summary>Itself; a failure would be a measurement of something else.</summary>
    public ChildResult Require() => ExitCode == 0
        ? this
        : throw new InvalidOperationException($"{Program}: exit code {ExitCode}: {Output.Trim()} {Error.Trim()}");
}

/// <summary>
/// Starts programs with as little of our own work between the two clock readings as possible: posix_spawn, which does
/// not copy this process, input that waits in a pipe already, output that is read after the end.
/// </summary>
internal static unsafe partial class Child
{
    private const int CloseOnExec = 0x80000; // O_CLOEXEC
    private const int PipeCapacity = 65536; // what fits into a pipe before its writer waits
    private const short SetDefaultSignals = 4; // POSIX_SPAWN_SETSIGDEF
    private const int Interrupted = 4; // EINTR

    // Larger than glibc's posix_spawn_file_actions_t, posix_spawnattr_t and sigset_t on every architecture.
    private const int OpaqueBytes = 1024;

    /// <summary>Runs a program in the calling thread's namespaces to its end.</summary>
    /// <exception cref="InvalidOperationException">The input is larger than a pipe holds.</exception>
    public static ChildResult Run(string program, IEnumerable<string> arguments, IEnumerable<(string Name, string Value)> environment, string input)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(input);
        if (bytes.Length >= PipeCapacity)
        {
            throw new InvalidOperationException($"an input of {bytes.Length} bytes does not fit into a pipe");
        }

        (SafeFileHandle inRead, SafeFileHandle inWrite) = Pipe();
        (SafeFileHandle outRead, SafeFileHandle outWrite) = Pipe();
        (SafeFileHandle errRead, SafeFileHandle errWrite) = Pipe();
        using (inRead)
        using (outRead)
        using (errRead)
        {
            using (inWrite)
            {
                using FileStream stream = new(inWrite, FileAccess.Write, 0);
                stream.Write(bytes);
            }

            double milliseconds;
            int status;
            using (outWrite)
            using (errWrite)
            {
                (milliseconds, status) = Time(
                    program, [program, .. arguments], [.. environment.Select(v => $"{v.Name}={v.Value}")], inRead, outWrite, errWrite);
            }

            int code = (status & 0x7f) == 0 ? (status >> 8) & 0xff : -(status & 0x7f);
            return new ChildResult(program, milliseconds, code, ReadAll(outRead), ReadAll(errRead));
        }
    }

    private static (double Milliseconds, int Status) Time(
        string program, string[] arguments, string[] environment, SafeFileHandle input, SafeFileHandle output, SafeFileHandle error)
    {
        byte* actions = stackalloc byte[OpaqueBytes];
        byte* attributes = stackalloc byte[OpaqueBytes];
        byte* signals = stackalloc byte[OpaqueBytes];
        Check(posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
        Check(posix_spawnattr_init(attributes), "posix_spawnattr_init");
        byte** argv = Strings(arguments);
        byte** envp = Strings(environment);
        try
        {
            Check(posix_spawn_file_actions_adddup2(actions, (int)input.DangerousGetHandle(), 0), "adddup2");
            Check(posix_spawn_file_actions_adddup2(actions, (int)output.DangerousGetHandle(), 1), "adddup2");
            Check(posix_spawn_file_actions_adddup2(actions, (int)error.DangerousGetHandle(), 2), "adddup2");

            // This runtime ignores SIGPIPE, and children would inherit that.
            _ = sigfillset(signals);
            Check(posix_spawnattr_setsigdefault(attributes, signals), "posix_spawnattr_setsigdefault");
            Check(posix_spawnattr_setflags(attributes, SetDefaultSignals), "posix_spawnattr_setflags");

            byte* path = (byte*)Marshal.StringToCoTaskMemUTF8(program);
            try
            {
                int id;
                int status;
                long started = Stopwatch.GetTimestamp();
                Check(posix_spawn(&id, path, actions, attributes, argv, envp), $"start {program}");
                while (waitpid(id, &status, 0) < 0)
                {
                    int errno = Marshal.GetLastPInvokeError();
                    if (errno != Interrupted)
                    {
                        throw new Win32Exception(errno, "waitpid");
                    }
                }

                return (Stopwatch.GetElapsedTime(started).TotalMilliseconds, status);
            }
            finally
            {
                Marshal.FreeCoTaskMem((nint)path);
            }
        }
        finally
        {
            Free(argv, arguments.Length);
            Free(envp, environment.Length);
            _ = posix_spawnattr_destroy(attributes);
            _ = posix_spawn_file_actions_destroy(actions);
        }
    }

    private static (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        int* ends = stackalloc int[2];
        if (pipe2(ends, CloseOnExec) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "pipe2");
        }

        return (new SafeFileHandle(ends[0], ownsHandle: true), new SafeFileHandle(ends[1], ownsHandle: true));
    }

    private static string ReadAll(SafeFileHandle handle)
    {
        using StreamReader reader = new(new FileStream(handle, FileAccess.Read, 0), Encoding.UTF8);
        return reader.ReadToEnd();
    }

    private static byte** Strings(string[] values)
    {
        byte** array = (byte**)NativeMemory.AllocZeroed((nuint)(values.Length + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < values.Length; i++)
        {
            array[i] = (byte*)Marshal.StringToCoTaskMemUTF8(values[i]);
        }

        return array;
    }

    private static void Free(byte** array, int count)
    {
        for (int i = 0; i < count; i++)
        {
            Marshal.FreeCoTaskMem((nint)array[i]);
        }

        NativeMemory.Free(array);
    }

    /// <summary>The posix_spawn family returns the errno itself.</summary>
    private static void Check(int errno, string what)
    {
        if (errno != 0)
        {
            throw new Win32Exception(errno, $"{what}: {Marshal.GetPInvokeErrorMessage(errno)}");
        }
    }

    // Named as in libc.
    [LibraryImport("libc")]
    private static partial int posix_spawn(int* id, byte* path, byte* actions, byte* attributes, byte** argv, byte** envp);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(byte* actions, int from, int to);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(byte* attributes, byte* signals);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport("libc")]
    private static partial int sigfillset(byte* signals);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int id, int* status, int options);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* ends, int flags);
}
