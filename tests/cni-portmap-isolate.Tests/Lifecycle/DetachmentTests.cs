using CniIsolator.Ipam;
using CniIsolator.Ipam.Tests;
using CniIsolator.KernelState;
using CniIsolator.Lifecycle;

namespace CniIsolator.Plugin.Tests.Lifecycle;

/// <summary>Who takes an attachment down waits for others that work on it, and removes no record but its own. No kernel is touched: the records are of another host.</summary>
public sealed class DetachmentTests : IDisposable
{
    private static readonly Attachment Idle = Samples.Attachment() with
    {
        MadeOn = Samples.Attachment().MadeOn with { Netns = "4:1" },
        Process = default,
    };

    private readonly DirectoryInfo _state = Directory.CreateTempSubdirectory("pmit-detachment-");

    public DetachmentTests() => File.SetUnixFileMode(_state.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

    public void Dispose() => _state.Delete(recursive: true);

    public static TheoryData<string, AttachmentState, bool> Works => new()
    {
        { "created", AttachmentState.Creating, false },
        { "deleted", AttachmentState.Deleting, false },
        { "changed", AttachmentState.Ready, true },
    };

    [Theory]
    [MemberData(nameof(Works))]
    public void One_that_another_process_never_ends_with_is_error_11(string work, AttachmentState state, bool changing)
    {
        using var session = Open(TimeSpan.FromMilliseconds(30));
        var written = Write(session, With(state, changing, ProcessIdentity.Current));
        var error = Assert.Throws<IsolationException>(() => Detachment.Claim(session, written.Key));
        Assert.Equal(IsolationFault.TryAgainLater, error.Fault);
        Assert.Equal($"{written.Key} is being {work} by process {Environment.ProcessId}", error.Message);
        Assert.Contains("waited 0.03 s", error.Details, StringComparison.Ordinal);
        Assert.Equal(written, session.Store.Find(written.Key));
    }

    [Theory]
    [MemberData(nameof(Works))]
    public void One_that_a_dead_process_has_left_is_taken_over(string work, AttachmentState state, bool changing)
    {
        Assert.NotEmpty(work);
        using var session = Open();
        var written = Write(session, With(state, changing, new ProcessIdentity(Environment.ProcessId, 1)));
        var claimed = Detachment.Claim(session, written.Key);
        Assert.Equal(written with { State = AttachmentState.Deleting, Process = ProcessIdentity.Current }, claimed);
        Assert.Equal(claimed, session.Store.Find(written.Key));
        Detachment.Remove(session, claimed!);
        Assert.Null(session.Store.Find(written.Key));
    }

    [Fact]
    public async Task One_that_goes_while_it_is_waited_for_is_gone()
    {
        using var session = Open();
        var written = Write(session, With(AttachmentState.Deleting, false, ProcessIdentity.Current));
        var claim = Task.Run(() => Detachment.Claim(session, written.Key));
        using (var store = session.Begin())
        {
            store.Remove(written.Key);
        }

        Assert.Null(await claim);
    }

    [Fact]
    public void A_record_that_somebody_else_has_written_since_stays()
    {
        using var session = Open();
        var claimed = Detachment.Claim(session, Write(session, With(AttachmentState.Ready, false, default)).Key)!;
        foreach (var next in new[]
        {
            With(AttachmentState.Creating, false, ProcessIdentity.Current),
            With(AttachmentState.Deleting, false, ProcessIdentity.Find(1)!.Value),
        })
        {
            Write(session, next);
            Detachment.Remove(session, claimed);
            Assert.Equal(next, session.Store.Find(next.Key));
        }
    }

    [Fact]
    public void Without_a_store_there_is_nothing_to_claim_and_none_is_made()
    {
        using var session = new Session(Path.Combine(_state.FullName, "none"));
        Assert.Null(Detachment.Claim(session, Idle.Key));
        Assert.Empty(_state.EnumerateFileSystemInfos());
    }

    private Session Open(TimeSpan? timeout = null) => new(_state.FullName, timeout);

    private static Attachment With(AttachmentState state, bool changing, ProcessIdentity creator) => Idle with
    {
        State = state,
        MadeOn = Idle.MadeOn with { BootId = Linux.HostIdentity.BootId },
        Change = changing ? new AttachmentChange([], default) : null,
        Process = creator,
    };

    private static Attachment Write(Session session, Attachment attachment)
    {
        using var store = session.Begin();
        store.Write(attachment);
        return attachment;
    }
}
