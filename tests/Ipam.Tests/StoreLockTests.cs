using System.Diagnostics;

namespace CniIsolator.Ipam.Tests;

public sealed class StoreLockTests : StoreTest
{
    [Fact]
    public void A_transaction_excludes_another_process()
    {
        using (Store.Begin(Patience))
        {
            Assert.Equal(1, Command.Run("flock", "-n", InStore("lock"), "true"));
        }

        Assert.Equal(0, Command.Run("flock", "-n", InStore("lock"), "true"));
    }

    [Fact]
    public async Task Another_process_excludes_a_transaction_until_it_lets_go()
    {
        Write();
        using var holder = Hold();
        Assert.Contains(InStore("lock"), Assert.Throws<StoreBusyException>(() => Store.Begin(TimeSpan.Zero)).Message, StringComparison.Ordinal);
        Assert.Throws<StoreBusyException>(() => Store.Begin(TimeSpan.FromMilliseconds(20)));
        var waiting = Task.Run(() => Store.Begin(Timeout.InfiniteTimeSpan));
        // Readers need no lock.
        Assert.Empty(Store.ReadAll().Attachments);
        Assert.False(waiting.IsCompleted);
        holder.StandardInput.Close();
        using var transaction = await waiting.WaitAsync(Patience);
        transaction.Write(Samples.Attachment());
        holder.WaitForExit();
    }

    [Fact]
    public async Task A_killed_holder_does_not_keep_the_lock()
    {
        Write();
        using var holder = Hold();
        var waiting = Task.Run(() => Store.Begin(Patience));
        holder.Kill(entireProcessTree: true);
        using var transaction = await waiting.WaitAsync(Patience);
        holder.WaitForExit();
    }

    [Fact]
    public async Task A_transaction_excludes_another_one_in_this_process()
    {
        var first = Store.Begin(Patience);
        Assert.Throws<StoreBusyException>(() => Store.Begin(TimeSpan.Zero));
        Assert.Throws<StoreBusyException>(() => new AttachmentStore(Store.StateDir).Begin(TimeSpan.FromMilliseconds(20)));
        var waiting = Task.Run(() => Store.Begin(Patience));
        first.Write(Samples.Attachment());
        Assert.False(waiting.IsCompleted);
        first.Dispose();
        using var second = await waiting.WaitAsync(Patience);
        Assert.Single(second.Attachments);
    }

    [Fact]
    public async Task Waiting_for_a_store_that_is_erased_ends_with_an_empty_one()
    {
        Write(Samples.Attachment());
        var first = Store.Begin(Patience);
        var waiting = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            using var transaction = Store.Begin(Patience);
            return transaction.Attachments.Count;
        })).ToList();
        first.EraseStore();
        Assert.All(await Task.WhenAll(waiting).WaitAsync(Patience), count => Assert.Equal(0, count));
        // The lock that they took is the one that has the name.
        Write(Samples.Attachment());
        Assert.Single(Store.ReadAll().Attachments);
    }

    [Fact]
    public async Task A_lock_on_a_file_that_lost_its_name_does_not_count()
    {
        Write();
        using var holder = Hold();
        var waiting = Task.Run(() => Store.Begin(Patience));
        Assert.True(SpinWait.SpinUntil(() => OpenFiles().Contains(InStore("lock")), Patience));
        File.Delete(InStore("lock"));
        var first = Store.Begin(Patience);
        holder.StandardInput.Close();
        // The waiter gets the old file's lock, sees that it is worth nothing, and queues up for the new one.
        Assert.True(SpinWait.SpinUntil(
            () => waiting.IsCompleted || !OpenFiles().Contains(InStore("lock") + " (deleted)"), Patience));
        Assert.False(waiting.IsCompleted);
        first.Dispose();
        using var second = await waiting.WaitAsync(Patience);
        holder.WaitForExit();
    }

    [Fact]
    public void Parallel_allocations_never_overlap()
    {
        const int Threads = 8;
        const int Allocations = 50;
        var pool = PortSet.Parse("32001-40999");
        var failures = new List<Exception>();
        var threads = Enumerable.Range(0, Threads).Select(number => new Thread(() =>
        {
            try
            {
                for (var i = 0; i < Allocations; i++)
                {
                    using var transaction = new AttachmentStore(Store.StateDir).Begin(Patience);
                    var space = new PortSpace(transaction.Attachments);
                    var slice = SliceAllocator.Allocate(pool, 16 << ((number + i) % 4), space.Slices, PortSet.Empty, transaction.Freed);
                    Assert.NotNull(slice);
                    Assert.Null(space.FindHolder(slice.Value));
                    transaction.Write(Samples.Attachment($"{number}-{i}", slice, AttachmentSlot.Next(transaction.Attachments)!.Value));
                    if (i >= 5)
                    {
                        Assert.True(transaction.Remove(Samples.Attachment($"{number}-{i - 5}").Key));
                    }
                }
            }
            catch (Exception e)
            {
                lock (failures)
                {
                    failures.Add(e);
                }
            }
        })).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        Assert.Empty(failures);
        var content = Store.ReadAll();
        Assert.Empty(content.Unreadable);
        Assert.Equal(Threads * 5, content.Attachments.Count);
        Assert.Equal(Threads * 5, content.Attachments.Select(a => a.Numbers.Slot).Distinct().Count());
        var slices = content.Attachments.Select(a => a.Ports.Slice).ToList();
        Assert.Equal(slices.Sum(s => s.Count), PortSet.From(slices).Count);
        Assert.DoesNotContain(Names(), name => name.EndsWith(".tmp", StringComparison.Ordinal));
    }

    private static IEnumerable<string?> OpenFiles() => Directory.GetFiles("/proc/self/fd").Select(path =>
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (IOException)
        {
            return null; // Closed since the listing.
        }
    });

    /// <summary>Starts a process that holds the lock until its standard input is closed.</summary>
    private Process Hold()
    {
        var holder = Command.Start("flock", InStore("lock"), "sh", "-c", "echo held; exec cat");
        Assert.Equal("held", holder.StandardOutput.ReadLine());
        return holder;
    }
}
