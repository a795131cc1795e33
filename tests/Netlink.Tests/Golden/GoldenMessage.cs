using System.Reflection;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Tests.Golden;

/// <summary>A place where our message is not that of ip or tc, though the kernel does the same with both.</summary>
/// <param name="Captured">Lines of the captured message's tree.</param>
/// <param name="Own">What stands there in ours.</param>
/// <param name="Reason">Why the kernel treats both alike.</param>
public sealed record Difference(string Captured, string Own, string Reason);

/// <summary>Compares what our writers emit with what ip and tc sent, and with what they emitted when the test was written.</summary>
internal static class GoldenMessage
{
    public static void Check(Action<NetlinkBatch> write, string captured, string own, params Difference[] differences) =>
        Compare(Emit(write), captured, own, MessageTree.Parse, differences);

    /// <summary>A request for a dump, which the library makes whole.</summary>
    public static void Check(NetlinkBatch request, string captured, string own, params Difference[] differences) =>
        Compare(Seal(request), captured, own, MessageTree.Parse, differences);

    /// <summary>The same to sock_diag, whose message types mean other things than those of rtnetlink.</summary>
    public static void CheckSockets(NetlinkBatch request, string captured, string own, params Difference[] differences) =>
        Compare(Seal(request), captured, own, MessageTree.ParseSockets, differences);

    private static void Compare(byte[] bytes, string captured, string own, Func<byte[], string> parse, Difference[] differences)
    {
        Assert.Equal(Convert.ToHexStringLower(Bytes(own)), Convert.ToHexStringLower(bytes));

        var expected = parse(Bytes(captured));
        foreach (var difference in differences)
        {
            Assert.False(string.IsNullOrWhiteSpace(difference.Reason));
            Assert.Equal(2, expected.Split(difference.Captured).Length);
            expected = expected.Replace(difference.Captured, difference.Own, StringComparison.Ordinal);
        }

        Assert.Equal(expected, parse(bytes));
    }

    /// <summary>Hex digits; blanks do not count, nor what follows "//" up to the line's end.</summary>
    private static byte[] Bytes(string annotated) => Convert.FromHexString(string.Concat(
        annotated.Split('\n').SelectMany(line => line.Split("//")[0].Where(c => !char.IsWhiteSpace(c)))));

    /// <summary>Emits into a buffer full of ones, so that a byte that nobody writes shows.</summary>
    private static byte[] Emit(Action<NetlinkBatch> write)
    {
        var batch = new NetlinkBatch(4096);
        var field = typeof(NetlinkBatch).GetField("_buffer", BindingFlags.Instance | BindingFlags.NonPublic);
        Array.Fill(Assert.IsType<byte[]>(field?.GetValue(batch)), (byte)0xff);
        write(batch);
        return Seal(batch);
    }

    private static byte[] Seal(NetlinkBatch batch)
    {
        Assert.Equal(1, batch.Count);
        batch.Seal(1);
        return batch.Bytes.ToArray();
    }
}
