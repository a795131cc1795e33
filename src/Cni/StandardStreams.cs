using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Cni;

/// <summary>
/// Standard input and output without the console's leniency: <see cref="Console"/>'s output stream drops data without
/// an error when the reader is gone, and then nobody would take back an ADD whose result was lost.
/// </summary>
public static class StandardStreams
{
    /// <summary>File descriptor 0; a descriptor that is closed fails when it is read, not here.</summary>
    public static Stream OpenInput() => Open(0, FileAccess.Read);

    /// <summary>File descriptor 1; a descriptor that is closed fails when it is written, not here.</summary>
    public static Stream OpenOutput() => Open(1, FileAccess.Write);

    private static Stream Open(int descriptor, FileAccess access)
    {
        try
        {
            // Unbuffered: what was written must have left the process when Write returns.
            var stream = new FileStream(new SafeFileHandle(descriptor, ownsHandle: false), access, bufferSize: 0);

            // Into a regular file FileStream writes by offset and leaves the descriptor's position behind, so that the
            // next process on the same file overwrites the reply. A file has no reader to lose; the console's stream will do.
            return access == FileAccess.Write && stream.CanSeek ? Console.OpenStandardOutput() : stream;
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return new BrokenStream(e);
        }
    }

    private sealed class BrokenStream(Exception cause) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw Broken();

        public override long Position
        {
            get => throw Broken();
            set => throw Broken();
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw Broken();

        public override long Seek(long offset, SeekOrigin origin) => throw Broken();

        public override void SetLength(long value) => throw Broken();

        public override void Write(byte[] buffer, int offset, int count) => throw Broken();

        private IOException Broken() => new(cause.Message, cause);
    }
}
