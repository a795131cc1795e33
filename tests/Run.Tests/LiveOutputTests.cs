namespace CniIsolator.Run.Tests;

public sealed class LiveOutputTests
{
    private readonly LiveOutput _output = new();

    [Fact]
    public void Tests_are_counted_as_they_end()
    {
        string[] lines =
            ["  Passed A.B.C(what: \"c<d\") [8 ms]", "  Failed A.B [< 1 ms]", "  Error Message:", "   Passed nothing", "  Skipped A.D [1 ms]", "     Passed: 4"];
        foreach (string line in lines)
        {
            Assert.True(_output.Add(line));
        }

        Assert.Equal(3, _output.Ended);
    }

    [Fact]
    public void That_a_test_takes_long_is_no_progress_but_is_known()
    {
        const string Line = "[xUnit.net 00:00:15.36] Sample.Tests: [Long Running Test] 'Sample.Hangs.Never_ends', Elapsed: 00:00:15";
        Assert.False(_output.Add(Line));
        Assert.False(_output.Add(Line.Replace(":15", ":20", StringComparison.Ordinal)));
        Assert.Equal(["Sample.Hangs.Never_ends, for 00:00:20"], _output.StillRunning);
        Assert.Equal("", _output.Tail);
        _output.Add("  Passed Sample.Hangs.Never_ends [21 s]");
        Assert.Empty(_output.StillRunning);
    }

    [Fact]
    public void A_test_may_say_how_far_it_is_until_it_ends()
    {
        Assert.True(_output.Add("progress: ADD kill: 5 of 900 cells"));
        Assert.Equal("ADD kill: 5 of 900 cells", _output.Note);
        _output.Add("  Passed A.B [1 m 2 s]");
        Assert.Equal("", _output.Note);
    }

    [Fact]
    public void Only_the_last_lines_are_kept()
    {
        for (int i = 0; i < 1000; i++)
        {
            _output.Add($"line {i}");
        }

        Assert.EndsWith("line 998\nline 999", _output.Tail, StringComparison.Ordinal);
        Assert.Equal(40, _output.Tail.Split('\n').Length);
    }
}
