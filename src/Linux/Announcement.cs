namespace CniIsolator.Linux;

public static class Announcement
{
    public static void Send(int index, ReadOnlySpan<byte> mac, ReadOnlySpan<byte> address)
    {
    }
}
