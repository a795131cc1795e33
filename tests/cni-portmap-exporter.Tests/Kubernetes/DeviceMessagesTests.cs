using System.Text;
using CniIsolator.Exporter.Kubernetes;

namespace CniIsolator.Exporter.Tests.Kubernetes;

public sealed class DeviceMessagesTests
{
    [Fact]
    public void Messages_are_these_bytes()
    {
        Assert.Equal("00-00-00-00-00", BitConverter.ToString(DeviceMessages.Empty()));

        // Field 1, 2 and 3 (tags 0A, 12, 1A), each a length and the text.
        Assert.Equal("\0\0\0\0\u0013\u000A\u0007v1beta1\u0012\u0003a.s\u001A\u0003r/s", Text(DeviceMessages.RegisterRequest("a.s", "r/s")));
        Assert.Equal(
            "\0\0\0\0\u002A\u000A\u0012\u000A\u0007slice-0\u0012\u0007Healthy\u000A\u0014\u000A\u0007slice-1\u0012\u0009Unhealthy",
            Text(DeviceMessages.DeviceList(new SliceCount(2, 1))));
        Assert.Equal("\0\0\0\0\u0004\u000A\0\u000A\0", Text(DeviceMessages.AllocateResponse(2)));
    }

    [Fact]
    public void A_device_list_is_as_long_as_it_says_however_many_there_are()
    {
        var frame = DeviceMessages.DeviceList(new SliceCount(4095, 4000));
        var message = DeviceMessages.Unframe(frame);
        Assert.Equal(4095, DeviceMessages.CountAllocateRequests(message!.Value.Span));
        Assert.Equal(4000, Text(frame).Split("\u0007Healthy").Length - 1);
        Assert.InRange(frame.Length, 0, DeviceMessages.LongestMessage);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("0A00", 1)]
    [InlineData("0A0A0A087377696365732D30", 1)]
    [InlineData("0A000A00", 2)]
    [InlineData("1000" + "0A00" + "1D00000000" + "190000000000000000", 1)]
    [InlineData("0A01", null)]
    [InlineData("0A", null)]
    [InlineData("80", null)]
    [InlineData("0AFFFFFFFFFFFFFFFFFF01", null)]
    [InlineData("0AFFFFFFFFFFFFFFFFFFFF01", null)]
    [InlineData("0B00", null)]
    [InlineData("0200", null)]
    [InlineData("1900", null)]
    public void Requests_are_counted_and_what_is_none_is_refused(string hex, int? count) =>
        Assert.Equal(count, DeviceMessages.CountAllocateRequests(Convert.FromHexString(hex)));

    [Theory]
    [InlineData("0000000000", 0)]
    [InlineData("00000000020A00", 2)]
    [InlineData("", null)]
    [InlineData("00000000", null)]
    [InlineData("0100000000", null)]
    [InlineData("00000000030A00", null)]
    [InlineData("00000000010A00", null)]
    [InlineData("00FFFFFFFF0A00", null)]
    public void A_frame_has_one_whole_message(string hex, int? length) => Assert.Equal(length, DeviceMessages.Unframe(Convert.FromHexString(hex))?.Length);

    [Fact]
    public void No_bytes_make_the_reader_fail()
    {
        const int Seed = 20260301;
        var random = new Random(Seed);
        var bytes = new byte[64];
        for (var i = 0; i < 20_000; i++)
        {
            random.NextBytes(bytes);
            var some = bytes.AsSpan(0, random.Next(bytes.Length));
            _ = DeviceMessages.CountAllocateRequests(some);
            _ = DeviceMessages.Unframe(some.ToArray());
        }
    }

    private static string Text(byte[] bytes) => Encoding.Latin1.GetString(bytes);
}
