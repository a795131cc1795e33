namespace CniIsolator.Ipam.Tests;

public sealed class AttachmentStoreTests : StoreTest
{
    [Fact]
    public void Reading_a_missing_store_gives_nothing_and_makes_nothing()
    {
        Assert.Empty(Store.ReadAll().Attachments);
        Assert.Empty(Store.ReadAll().Unreadable);
        Assert.Null(Store.ReadAll().Host);
        Assert.Null(Store.Find(Samples.Attachment().Key));
        Assert.False(Directory.Exists(Store.StateDir));
    }

    [Fact]
    public void Records_are_written_read_replaced_and_removed()
    {
        var a = Samples.Attachment("a");
        var b = Samples.Attachment("b", PortRange.Parse("33792-34815"), 2);
        using (var transaction = Store.Begin(Patience))
        {
            Assert.Empty(transaction.Attachments);
            transaction.Write(b);
            transaction.Write(a);
            transaction.Write(a.WithMtu(9000));
            Assert.Equal(9000, transaction.Find(a.Key)?.Host.Mtu);
            Assert.Equal(2, transaction.Attachments.Count);
        }

        Assert.Equal(new[] { a.HostInterface + ".json", b.HostInterface + ".json", "lock" }.Order(StringComparer.Ordinal), Names());
        Assert.Equal([a.WithMtu(9000), b], Store.ReadAll().Attachments);
        Assert.Equal(b, Store.Find(b.Key));
        using (var transaction = Store.Begin(Patience))
        {
            Assert.Equal([a.WithMtu(9000), b], transaction.Attachments);
            Assert.True(transaction.Remove(a.Key));
            Assert.False(transaction.Remove(a.Key));
            Assert.Null(transaction.Find(a.Key));
            Assert.Equal([b], transaction.Attachments);
        }

        Assert.Null(Store.Find(a.Key));
        Assert.Equal([b], Store.ReadAll().Attachments);
    }

    [Fact]
    public void Removed_slices_are_remembered_beyond_the_last_attachment()
    {
        var a = Samples.Attachment("a");
        var b = Samples.Attachment("b", PortRange.Parse("33792-34815"), 2);
        Write(a, b);
        using (var transaction = Store.Begin(Patience))
        {
            transaction.Remove(b.Key);
            transaction.Remove(a.Key);
        }

        Assert.Equal(["freed.json", "lock"], Names());
        using var next = Store.Begin(Patience);
        Assert.Equal<PortRange>([b.Ports.Slice, a.Ports.Slice], next.Freed.Ranges.ToArray());
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"version\": 1, \"slices\": [\"7-3\"]}")]
    [InlineData("{\"version\": 2, \"slices\": []}")]
    public void A_freed_list_that_cannot_be_read_is_empty_and_replaced(string content)
    {
        var a = Samples.Attachment("a");
        Write(a);
        File.WriteAllText(InStore("freed.json"), content);
        using (var transaction = Store.Begin(Patience))
        {
            Assert.Empty(transaction.Freed.Ranges);
            transaction.Remove(a.Key);
        }

        using var next = Store.Begin(Patience);
        Assert.Equal<PortRange>([a.Ports.Slice], next.Freed.Ranges.ToArray());
    }

    [Fact]
    public void Host_record_is_written_read_and_removed()
    {
        using (var transaction = Store.Begin(Patience))
        {
            Assert.Null(transaction.Host);
            transaction.RemoveHost();
            transaction.WriteHost(Samples.Host());
            Assert.Equal(Samples.Host(), transaction.Host);
        }

        Assert.Equal(Samples.Host(), Store.ReadAll().Host);
        using (var transaction = Store.Begin(Patience))
        {
            Assert.Equal(Samples.Host(), transaction.Host);
            transaction.RemoveHost();
            Assert.Null(transaction.Host);
        }

        Assert.Equal(["lock"], Names());
    }

    [Fact]
    public void A_host_record_that_cannot_be_read_is_kept_when_a_new_one_is_written()
    {
        Write();
        File.WriteAllText(InStore("host.json"), "{\"loopbackMac\": \"precious\"");
        using (var transaction = Store.Begin(Patience))
        {
            Assert.Null(transaction.Host);
            Assert.NotNull(transaction.UnreadableHost);
            Assert.Empty(transaction.Unreadable);
            transaction.WriteHost(Samples.Host());
            Assert.Null(transaction.UnreadableHost);
        }

        Assert.Contains("precious", File.ReadAllText(InStore("host.json.unreadable")), StringComparison.Ordinal);
        Assert.Equal(Samples.Host(), Store.ReadAll().Host);
    }

    [Fact]
    public void A_record_under_another_name_is_unreadable()
    {
        var a = Samples.Attachment("a");
        Write(a);
        File.Move(RecordPath(a), InStore("pmi000000000000.json"));
        var unreadable = Assert.Single(Store.ReadAll().Unreadable);
        Assert.Equal("pmi000000000000", unreadable.HostInterface);
        Assert.Contains(a.HostInterface, unreadable.Reason, StringComparison.Ordinal);
        Assert.Empty(Store.ReadAll().Attachments);
    }

    [Theory]
    [InlineData("empty")]
    [InlineData("symlink")]
    [InlineData("directory")]
    [InlineData("fifo")]
    [InlineData("huge")]
    [InlineData("newer")]
    public void A_file_that_is_no_record_is_reported_and_does_not_hide_others(string kind)
    {
        var good = Samples.Attachment("good");
        var bad = Samples.Attachment("bad");
        Write(good, bad);
        var path = RecordPath(bad);
        var content = File.ReadAllText(path);
        File.Delete(path);
        switch (kind)
        {
            case "empty":
                File.WriteAllText(path, "");
                break;
            case "symlink":
                File.WriteAllText(Root["elsewhere"], content);
                File.CreateSymbolicLink(path, Root["elsewhere"]);
                break;
            case "directory":
                Directory.CreateDirectory(path);
                break;
            case "fifo":
                Assert.Equal(0, Command.Run("mkfifo", path));
                break;
            case "huge":
                File.WriteAllText(path, content + new string(' ', 1 << 20));
                break;
            default:
                File.WriteAllText(path, content.Replace("\"version\": 2", "\"version\": 7", StringComparison.Ordinal));
                break;
        }

        using var transaction = Store.Begin(Patience);
        Assert.Equal([good], transaction.Attachments);
        var unreadable = Assert.Single(transaction.Unreadable);
        Assert.Equal(path, unreadable.Path);
        Assert.Equal(bad.HostInterface, unreadable.HostInterface);
        Assert.False(unreadable.IsSetAside);
        Assert.NotEmpty(unreadable.Reason);
        Assert.Null(Store.Find(bad.Key));
    }

    [Fact]
    public void Unreadable_files_are_set_aside_without_overwriting_and_removed_on_request()
    {
        var a = Samples.Attachment("a");
        for (var round = 0; round < 3; round++)
        {
            Write();
            File.WriteAllText(RecordPath(a), $"round {round}");
            using var transaction = Store.Begin(Patience);
            var aside = transaction.SetAside(transaction.Unreadable.Single(u => !u.IsSetAside));
            Assert.True(aside.IsSetAside);
            Assert.Equal($"round {round}", File.ReadAllText(aside.Path));
            Assert.Equal(aside, transaction.SetAside(aside));
            Assert.Equal(round + 1, transaction.Unreadable.Count);
        }

        var name = a.HostInterface + ".json.unreadable";
        Assert.Equal(["lock", name, name + ".1", name + ".2"], Names());
        Write(a);
        var content = Store.ReadAll();
        Assert.Equal([a], content.Attachments);
        Assert.All(content.Unreadable, u => Assert.True(u.IsSetAside));
        Assert.All(content.Unreadable, u => Assert.Equal(a.HostInterface, u.HostInterface));
        Assert.Equal(3, content.Unreadable.Count);
        using (var transaction = Store.Begin(Patience))
        {
            transaction.RemoveUnreadable("../" + a.HostInterface);
            Assert.Equal(3, transaction.Unreadable.Count);
            transaction.RemoveUnreadable(a.HostInterface);
            Assert.Empty(transaction.Unreadable);
        }

        Assert.Equal(new[] { a.HostInterface + ".json", "lock" }.Order(StringComparer.Ordinal), Names());
    }

    [Fact]
    public void A_record_that_could_not_be_read_back_is_not_written()
    {
        using var transaction = Store.Begin(Patience);
        Assert.Throws<ArgumentException>(() => transaction.Write(Samples.Attachment(slice: PortRange.Parse("1-16"))));
        Assert.Throws<ArgumentException>(() => transaction.Write(Samples.Attachment(slot: 4096)));
        Assert.Empty(transaction.Attachments);
        Assert.Equal(["lock"], Names());
    }

    [Fact]
    public void Nothing_can_be_changed_after_the_transaction()
    {
        var transaction = Store.Begin(Patience);
        transaction.Dispose();
        transaction.Dispose();
        Assert.Throws<ObjectDisposedException>(() => transaction.Write(Samples.Attachment()));
        Assert.Throws<ObjectDisposedException>(() => transaction.Remove(Samples.Attachment().Key));
        Assert.Throws<ObjectDisposedException>(() => transaction.WriteHost(Samples.Host()));
    }

    [Fact]
    public void Files_of_dead_writers_are_removed_and_of_living_ones_kept()
    {
        Write();
        using var living = Command.Start("cat");
        using var dead = Command.Start("true");
        dead.WaitForExit();
        var kept = $".pmi000000000000.json.{living.Id}.tmp";
        File.WriteAllText(InStore(kept), "");
        File.WriteAllText(InStore($".pmi000000000000.json.{dead.Id}.tmp"), "");
        File.WriteAllText(InStore($".freed.json.{Environment.ProcessId}.tmp"), "");
        File.WriteAllText(InStore(".not.ours"), "");
        Assert.Empty(Store.ReadAll().Unreadable);
        Write(Samples.Attachment());
        Assert.Equal(
            new[] { kept, ".not.ours", "lock", Samples.Attachment().HostInterface + ".json" }.Order(StringComparer.Ordinal), Names());
        living.StandardInput.Close();
        living.WaitForExit();
    }

    [Fact]
    public void Erasing_leaves_nothing_and_the_store_starts_again()
    {
        Write(Samples.Attachment());
        File.WriteAllText(InStore("pmi000000000000.json"), "");
        using (var transaction = Store.Begin(Patience))
        {
            transaction.SetAside(transaction.Unreadable[0]);
            transaction.WriteHost(Samples.Host());
            transaction.Remove(Samples.Attachment().Key);
            transaction.EraseStore();
        }

        Assert.False(Directory.Exists(Store.StateDir));
        Write(Samples.Attachment());
        File.WriteAllText(InStore("README"), "an operator's");
        using (var transaction = Store.Begin(Patience))
        {
            transaction.EraseStore();
        }

        Assert.Equal(["README"], Names());
    }

    [Fact]
    public async Task Readers_see_whole_records_while_one_is_replaced()
    {
        var a = Samples.Attachment("a");
        var b = a with { Namespace = a.Namespace with { Path = new string('n', 20_000) } };
        Write(a);
        var writer = Task.Run(() =>
        {
            using var transaction = Store.Begin(Patience);
            for (var i = 0; i < 300; i++)
            {
                transaction.Write(i % 2 == 0 ? b : a);
            }
        });
        do
        {
            var content = Store.ReadAll();
            Assert.Empty(content.Unreadable);
            Assert.Contains(Assert.Single(content.Attachments).Namespace.Path, new[] { a.Namespace.Path, b.Namespace.Path });
            Assert.NotNull(Store.Find(a.Key));
        }
        while (!writer.IsCompleted);
        await writer;
    }

    [Fact]
    public async Task Readers_skip_records_that_vanish()
    {
        var all = Enumerable.Range(1, 60).Select(i => Samples.Attachment($"c{i}", slot: i)).ToArray();
        Write(all);
        var remover = Task.Run(() =>
        {
            using var transaction = Store.Begin(Patience);
            foreach (var attachment in all)
            {
                transaction.Remove(attachment.Key);
            }
        });
        do
        {
            Assert.Empty(Store.ReadAll().Unreadable);
        }
        while (!remover.IsCompleted);
        await remover;
        Assert.Empty(Store.ReadAll().Attachments);
    }
}
