using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tests.Protocol;

/// <summary>How <see cref="NetlinkConnection"/> reads the answers to a batch.</summary>
public class BatchTests
{
    [Fact]
    public void Only_the_last_message_asks_for_an_acknowledgement_and_numbers_go_on()
    {
        var seen = new List<NetlinkHeader>();
        using var connection = Connect(requests =>
        {
            seen.AddRange(requests);
            return [Datagram.Of(Answer.Error(requests[^1], 0))];
        });

        Assert.Empty(connection.Execute(Deletions(3)));
        Assert.Empty(connection.Execute(Deletions(1)));

        Assert.Equal([1u, 2u, 3u, 4u], seen.Select(h => h.Sequence));
        Assert.Equal([false, false, true, true], seen.Select(h => h.Flags.HasFlag(MessageFlags.Acknowledge)));
    }

    [Fact]
    public void Error_in_the_middle_is_reported_with_its_operation_and_the_last_is_acknowledged()
    {
        using var connection = Connect(r => [Datagram.Of(Answer.Error(r[1], 16)), Datagram.Of(Answer.Error(r[2], 0))]);

        var failure = Assert.Single(connection.Execute(Deletions(3)));

        Assert.Equal((1, "delete 1", Errno.Busy), (failure.Index, failure.Operation, failure.Errno));
    }

    [Fact]
    public void ExecuteOrThrow_throws_the_first_failure_and_reads_to_the_end_first()
    {
        var rest = true;
        using var connection = Connect(r => rest
            ? [Datagram.Of(Answer.Error(r[0], 16), Answer.Error(r[1], 1)), Datagram.Of(Answer.Error(r[2], 1))]
            : [Datagram.Of(Answer.Error(r[0], 0))]);

        var e = Assert.Throws<NetlinkException>(() => connection.ExecuteOrThrow(Deletions(3)));
        Assert.Equal(("delete 0", Errno.Busy, null), (e.Operation, e.Errno, e.KernelText));
        Assert.Contains("errno 16", e.Message, StringComparison.Ordinal);

        rest = false;
        connection.ExecuteOrThrow(Deletions(1));
    }

    [Fact]
    public void Tolerated_errnos_are_success_in_the_middle_and_at_the_end()
    {
        using var connection = Connect(r => [Datagram.Of(Answer.Error(r[0], 19)), Datagram.Of(Answer.Error(r[1], 19))]);
        Assert.Empty(connection.Execute(Deletions(2)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Kernel_text_is_found_behind_a_capped_and_a_whole_request(bool capped)
    {
        using var connection = Connect(r => [Datagram.Of(Answer.Error(r[0], 22, "Invalid handle", capped))]);

        var e = Assert.Throws<NetlinkException>(() => connection.ExecuteOrThrow(Deletions(1)));

        Assert.Equal("Invalid handle", e.KernelText);
        Assert.EndsWith(": Invalid handle", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lying_length_of_an_echoed_request_is_a_protocol_error()
    {
        using var connection = Connect(r =>
        {
            var error = Answer.Error(r[0], 22, "text", capped: false);
            error[20] = error[21] = 0xff;
            return [Datagram.Of(error)];
        });
        Assert.Throws<NetlinkProtocolException>(() => connection.Execute(Deletions(1)));
    }

    [Fact]
    public void Short_acknowledgement_is_a_protocol_error()
    {
        using var connection = Connect(r => [Datagram.Of(Answer.Message(2, 0, r[0].Sequence, new byte[4]))]);
        Assert.Throws<NetlinkProtocolException>(() => connection.Execute(Deletions(1)));
    }

    [Fact]
    public void Answers_from_others_for_others_and_to_earlier_requests_are_passed_over()
    {
        using var connection = Connect(r =>
        [
            Datagram.Of(Answer.Error(r[0], 1)) with { Sender = 99 },
            Datagram.Of(Answer.Error(r[0], 1, port: 12)),
            Datagram.Of(Answer.Error(r[0] with { Sequence = r[0].Sequence - 1 }, 1)),
            Datagram.Of(Answer.Error(r[0] with { Sequence = r[0].Sequence + 1 }, 1)),
            Datagram.Of(Answer.Error(r[0], 0)),
        ]);
        Assert.Empty(connection.Execute(Deletions(1)));
    }

    [Fact]
    public void Empty_datagram_is_passed_over()
    {
        using var connection = Connect(r => [new Datagram([]), Datagram.Of(Answer.Error(r[0], 0))]);
        Assert.Empty(connection.Execute(Deletions(1)));
    }

    [Fact]
    public void Overrun_is_a_protocol_error()
    {
        using var connection = Connect(r => [Datagram.Of(Answer.Message(4, 0, r[0].Sequence, []))]);
        Assert.Throws<NetlinkProtocolException>(() => connection.Execute(Deletions(1)));
    }

    [Theory]
    [InlineData(new byte[] { 1, 2, 3 })]
    [InlineData(new byte[] { 15, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 17, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 })]
    public void Truncated_header_and_lying_length_are_protocol_errors(byte[] datagram)
    {
        using var connection = Connect(_ => [new Datagram(datagram)]);
        Assert.Throws<NetlinkProtocolException>(() => connection.Execute(Deletions(1)));
    }

    [Fact]
    public void Five_hundred_failures_are_all_reported_in_order()
    {
        using var connection = Connect(requests => requests.Chunk(40).Select(
            some => Datagram.Of([.. some.Select(r => Answer.Error(r, 16, $"text {r.Sequence}"))])));

        var failures = connection.Execute(Deletions(500));

        Assert.Equal(Enumerable.Range(0, 500), failures.Select(f => f.Index));
        Assert.Equal(("delete 499", "text 500"), (failures[^1].Operation, failures[^1].KernelText));
    }

    [Fact]
    public void Large_batch_is_cut_between_messages()
    {
        var datagrams = new List<int>();
        using var connection = Connect(requests =>
        {
            datagrams.Add(requests.Sum(r => (int)r.Length));
            return requests[^1].Sequence == 5000 ? [Datagram.Of(Answer.Error(requests[^1], 0))] : [];
        });

        Assert.Empty(connection.Execute(Deletions(5000)));

        Assert.Equal(5000 * 32, datagrams.Sum());
        Assert.Equal(3, datagrams.Count);
        Assert.All(datagrams, length => Assert.True(length <= 64 * 1024));
    }

    [Fact]
    public void Empty_batch_sends_nothing()
    {
        using var kernel = new FakeKernel(_ => []);
        using var connection = new NetlinkConnection(kernel);
        Assert.Empty(connection.Execute(new NetlinkBatch()));
        Assert.Equal(0, kernel.Requests);
    }

    [Fact]
    public void Control_messages_are_no_answer_to_a_request_for_one_object()
    {
        using var connection = Connect(r =>
            [Datagram.Of(Answer.Message(1, 0, r[0].Sequence, [])), Datagram.Of(Answer.Error(r[0], 0))]);
        Assert.Null(Links.Find(connection, 5));
    }

    [Fact]
    public void Get_tells_absence_from_refusal()
    {
        var errno = 19;
        using var connection = Connect(r => [Datagram.Of(Answer.Error(r[0], errno))]);
        Assert.Null(Links.Find(connection, 5));
        errno = 1;
        Assert.Equal(Errno.NotPermitted, Assert.Throws<NetlinkException>(() => Links.Find(connection, 5)).Errno);
    }

    [Fact]
    public void Dispose_closes_the_transport()
    {
        var kernel = new FakeKernel(_ => []);
        new NetlinkConnection(kernel).Dispose();
        Assert.True(kernel.Disposed);
    }

    private static NetlinkConnection Connect(Func<List<NetlinkHeader>, IEnumerable<Datagram>> answer) => new(new FakeKernel(answer));

    private static NetlinkBatch Deletions(int count)
    {
        var batch = new NetlinkBatch();
        for (var i = 0; i < count; i++)
        {
            Links.Delete(batch, i + 1, $"delete {i}");
        }

        return batch;
    }
}
