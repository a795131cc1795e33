namespace CniIsolator.Linux;

/// <summary>Descriptors 0, 1 and 2, which whoever starts a program may have left closed.</summary>
public static class StandardDescriptors
{
    /// <summary>
    /// Puts the null device where one is closed: else the next file that is opened takes its number, be it the store's, and receives what is
    /// meant for the standard output or error. The stand-ins for input and output are opened the wrong way round, so that to read or to write
    /// still fails, and a result that nobody gets is noticed.
    /// </summary>
    public static void Fill()
    {
        for (var descriptor = 0; descriptor <= 2; descriptor++)
        {
            if (Libc.Control(descriptor, Libc.GetDescriptorFlags, 0) < 0)
            {
                // The lowest number that is free: those below are filled by now.
                _ = Libc.Open("/dev/null", descriptor == 1 ? Libc.OpenReadOnly : Libc.OpenWriteOnly, 0);
            }
        }
    }

    /// <summary>
    /// Has a write beyond RLIMIT_FSIZE fail with an error, as on a full disk. The signal would end the process between two steps of a change.
    /// </summary>
    public static void SurviveFileSizeLimit() => _ = Libc.Signal(Libc.FileSizeExceeded, Libc.IgnoreSignal);
}
