namespace CniIsolator.Ipam.Tests;

public sealed class StoreReaderTests : StoreTest
{
    private readonly StoreReader _reader;

    public StoreReaderTests() => _reader = new StoreReader(Store.StateDir);

    [Fact]
    public void A_missing_store_is_empty_and_is_not_made()
    {
        var content = _reader.Read();
        Assert.Empty(content.Attachments);
        Assert.Empty(content.Networks!);
        Assert.False(Directory.Exists(Store.StateDir));
    }

    [Fact]
    public void It_sees_every_change()
    {
        var a = Samples.Attachment("a");
        var b = Samples.Attachment("b", PortRange.Parse("33792-34815"), 2);
        Write(b, a);
        Assert.Equal([a, b], _reader.Read().Attachments);

        // In place, by an editor, as well as by renaming.
        var path = Path.Combine(Store.StateDir, a.HostInterface + ".json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"mtu\": 1500", "\"mtu\": 1400"));
        Assert.Equal([a.WithMtu(1400), b], _reader.Read().Attachments);
        Write(b.WithMtu(9000));
        Assert.Equal([a.WithMtu(1400), b.WithMtu(9000)], _reader.Read().Attachments);

        File.WriteAllText(path, "{");
        Assert.Equal(path, Assert.Single(_reader.Read().Unreadable).Path);
        Assert.Equal(b.Key, Assert.Single(_reader.Read().Attachments).Key);
        File.Delete(path);
        Assert.Empty(_reader.Read().Unreadable);
        Directory.Delete(Store.StateDir, recursive: true);
        Assert.Empty(_reader.Read().Attachments);
    }

    [Fact]
    public void What_has_not_changed_for_a_while_is_not_read_again()
    {
        Write(Samples.Attachment("a"));
        var content = _reader.Read();
        Assert.Same(content, _reader.Read());

        // Others change all the time; this one is old enough some day to be relied on.
        var mtu = 1500;
        var settled = SpinWait.SpinUntil(
            () =>
            {
                Write(Samples.Attachment("b", PortRange.Parse("33792-34815"), 2).WithMtu(++mtu));
                var before = content.Attachments[0];
                content = _reader.Read();
                Assert.Equal(mtu, content.Attachments[1].Host.Mtu);
                return ReferenceEquals(before, content.Attachments[0]);
            },
            TimeSpan.FromSeconds(10));
        Assert.True(settled);
    }

    [Fact]
    public void A_directory_in_the_place_of_another_is_noticed()
    {
        Write(Samples.Attachment("a"));
        Assert.Single(_reader.Read().Attachments);
        Directory.Move(Store.StateDir, Store.StateDir + ".old");
        Assert.Empty(_reader.Read().Attachments);
        Write(Samples.Attachment("b"), Samples.Attachment("c", PortRange.Parse("33792-34815"), 2));
        Assert.Equal(2, _reader.Read().Attachments.Count);
        Directory.Delete(Store.StateDir, recursive: true);
        Directory.Move(Store.StateDir + ".old", Store.StateDir);
        Assert.Equal("a", Assert.Single(_reader.Read().Attachments).Key.ContainerId);
    }

    [Fact]
    public void A_store_that_others_may_write_to_is_refused_at_once_and_read_again_afterwards()
    {
        Write(Samples.Attachment("a"));
        Assert.Single(_reader.Read().Attachments);
        var mode = File.GetUnixFileMode(Store.StateDir);
        File.SetUnixFileMode(Store.StateDir, mode | UnixFileMode.OtherWrite);
        Assert.Throws<StoreException>(_reader.Read);
        File.SetUnixFileMode(Store.StateDir, mode);
        Assert.Single(_reader.Read().Attachments);
    }

    [Fact]
    public void Networks_outlive_their_containers_and_are_noted_once()
    {
        var a = Samples.Attachment("a");
        var network = Network("n1");
        Write(a);
        Note(network);
        Note(network);
        Note(Network("n2"));
        Assert.Equal([network, Network("n2")], _reader.Read().Networks);

        // What it is now replaces what it was; another boot's networks go.
        Note(network with { EphemeralPortsPerContainer = 64 });
        using (var transaction = Store.Begin(Patience))
        {
            transaction.Remove(a.Key);
        }

        Assert.Equal([Network("n2"), network with { EphemeralPortsPerContainer = 64 }], _reader.Read().Networks);
        Note(Network("n3") with { BootId = "later" });
        Assert.Equal("n3", Assert.Single(_reader.Read().Networks!).Name);
        Assert.Equal(["freed.json", "lock", "networks.json"], Names());
    }

    [Fact]
    public void The_number_of_networks_is_bounded()
    {
        Write(Samples.Attachment("a"));
        for (var i = 0; i < 70; i++)
        {
            Note(Network($"n{i}"));
        }

        Assert.Equal(64, _reader.Read().Networks!.Count);
        Assert.Equal("n69", _reader.Read().Networks![^1].Name);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("""{"version":2,"networks":[]}""")]
    [InlineData("""{"version":1,"networks":[null]}""")]
    [InlineData("""{"version":1,"networks":[{"name":"n","bootId":"","hostNetns":"","ports":"x","ephemeralPorts":"1-2","ephemeralPortsPerContainer":16}]}""")]
    [InlineData("""{"version":1,"networks":[{"name":"n","bootId":"","hostNetns":"","ports":"","ephemeralPorts":"1-2","ephemeralPortsPerContainer":17}]}""")]
    public void Damaged_notes_count_as_none_and_are_replaced(string text)
    {
        Write(Samples.Attachment("a"));
        File.WriteAllText(Path.Combine(Store.StateDir, "networks.json"), text);
        Assert.Empty(_reader.Read().Networks!);
        Assert.Single(_reader.Read().Attachments);
        Note(Network("n1"));
        Assert.Equal([Network("n1")], _reader.Read().Networks);
    }

    [Fact]
    public void Erasing_the_store_erases_the_notes()
    {
        Note(Network("n1"));
        using (var transaction = Store.Begin(Patience))
        {
            transaction.EraseStore();
        }

        Assert.False(Directory.Exists(Store.StateDir));
    }

    private static NetworkRecord Network(string name) => new()
    {
        Name = name, BootId = "now", HostNetns = "4:1", Ports = "31000-32000", EphemeralPorts = "32768-57343", EphemeralPortsPerContainer = 1024,
    };

    private void Note(NetworkRecord network)
    {
        using var transaction = Store.Begin(Patience);
        transaction.NoteNetwork(network);
    }
}
