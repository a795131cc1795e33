using System.Net;
using System.Text;
using CniIsolator.Linux;
using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Ipam.Tests;

public class RecordFormatTests
{
    private static string Golden(string name) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Golden", name));

    [Fact]
    public void Attachment_is_written_as_in_the_golden_file()
    {
        Assert.Equal(Golden("attachment.json"), Encoding.UTF8.GetString(StoreFormat.Write(Samples.WithEverything())));
        Assert.Equal(Samples.WithEverything(), Read(Golden("attachment.json")));
    }

    [Fact]
    public void Minimal_attachment_is_written_as_in_the_golden_file()
    {
        var minimal = Samples.Attachment() with
        {
            State = AttachmentState.Creating,
            Host = Samples.Attachment().Host with { Gateway = null },
            Limits = default,
            HostLoopback = HostLoopback.Deny,
            Args = [],
            Rebuilt = true,
        };
        Assert.Equal(Golden("attachment-minimal.json"), Encoding.UTF8.GetString(StoreFormat.Write(minimal)));
        Assert.Equal(minimal, Read(Golden("attachment-minimal.json")));
    }

    [Fact]
    public void Members_that_a_record_need_not_have_are_written_as_in_the_golden_file()
    {
        Assert.Equal(Golden("attachment-changing.json"), Encoding.UTF8.GetString(StoreFormat.Write(Samples.Changing())));
        Assert.Equal(Samples.Changing(), Read(Golden("attachment-changing.json")));
    }

    [Fact]
    public void Members_that_a_record_lacks_have_the_value_that_changes_nothing()
    {
        var old = Read(Golden("attachment.json"));
        Assert.Equal(default, old.Features);
        Assert.Equal((0, 0, false), (old.Numbers.Flow, old.Numbers.Generation, old.Rebuilt));
        Assert.Equal(default, Read(Golden("attachment-minimal.json")).Limits);
        Assert.Null(old.Before);
        Assert.Null(old.Ports.NetworkPorts);
        Assert.Null(old.Ports.NetworkPool);
        Assert.Null(old.CgroupPath);
        Assert.Null(old.Changed);
        Assert.Null(old.Change);
        Assert.Same(old.Ports.Claims, old.OwnedClaims);
        Assert.Null(StoreFormat.ReadHost(Encoding.UTF8.GetBytes(Golden("host.json"))).FlowParent);
    }

    [Fact]
    public void While_a_change_goes_on_the_ports_of_both_sides_are_owned()
    {
        var changing = Read(Golden("attachment-changing.json"));
        Assert.Equal([.. changing.Ports.Claims, new PortClaim(TransportProtocol.Tcp, PortRange.Parse("31006-31007"))], changing.OwnedClaims);
    }

    [Fact]
    public void Host_is_written_as_in_the_golden_file()
    {
        Assert.Equal(Golden("host.json"), Encoding.UTF8.GetString(StoreFormat.Write(Samples.Host())));
        Assert.Equal(Samples.Host(), StoreFormat.ReadHost(Encoding.UTF8.GetBytes(Golden("host.json"))));
        var flows = Samples.Host() with
        {
            FlowParent = "1:10",
            PacketLayout = new SocketBufferLayout("7f3b0c4e-1111-4222-8333-944445555666", 128, 5, 136, 138, 200, 208, 129, 3),
        };
        Assert.Equal(Golden("host-flows.json"), Encoding.UTF8.GetString(StoreFormat.Write(flows)));
        Assert.Equal(flows, StoreFormat.ReadHost(Encoding.UTF8.GetBytes(Golden("host-flows.json"))));
    }

    [Fact]
    public void Freed_slices_are_written_as_in_the_golden_file()
    {
        var freed = FreedSlices.From([PortRange.Parse("32768-33791"), PortRange.Parse("0-15")]);
        Assert.Equal(Golden("freed.json"), Encoding.UTF8.GetString(StoreFormat.Write(freed)));
        Assert.Equal<PortRange>(freed.Ranges.ToArray(), StoreFormat.ReadFreed(StoreFormat.Write(freed)).Ranges.ToArray());
    }

    [Fact]
    public void A_list_is_an_array_of_the_same_objects()
    {
        var text = Encoding.UTF8.GetString(StoreFormat.Write([Samples.WithEverything()]));
        Assert.StartsWith("[", text, StringComparison.Ordinal);
        Assert.Equal("[]\n", Encoding.UTF8.GetString(StoreFormat.Write(new List<Attachment>())));
        Assert.Equal(
            string.Concat(Golden("attachment.json").Where(c => !char.IsWhiteSpace(c))),
            string.Concat(text.Where(c => !char.IsWhiteSpace(c))).TrimStart('[').TrimEnd(']'));
    }

    [Fact]
    public void Records_round_trip()
    {
        var records =
            from slice in Gen.Choose(0, 12).SelectMany(log => Gen.Choose(0, (65536 >> (log + 4)) - 1).Select(i =>
                new PortRange((ushort)(i << (log + 4)), (ushort)((i << (log + 4)) + (16 << log) - 1))))
            from claims in (from protocol in Gen.Elements(TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Sctp)
                            from range in Ports.Ranges
                            select new PortClaim(protocol, range)).ArrayOf()
            from slot in Gen.Choose(1, 4095)
            from state in Gen.Elements(AttachmentState.Creating, AttachmentState.Ready, AttachmentState.Deleting)
            from inode in ArbMap.Default.GeneratorFor<ulong>()
            from rate in ArbMap.Default.GeneratorFor<long>()
            from ticks in Gen.Choose(0, int.MaxValue)
            from name in ArbMap.Default.GeneratorFor<UnicodeString>()
            select Samples.Attachment() with
            {
                Ports = new OwnedPorts { Slice = slice, Claims = claims },
                Numbers = Samples.Attachment().Numbers with { Slot = slot },
                State = state,
                Namespace = new NamespaceReference("/run/netns/c0ffee", 4, inode),
                Host = Samples.Attachment().Host with
                {
                    Address = new IPAddress(BitConverter.GetBytes(ticks)), Gateway = new IPAddress(BitConverter.GetBytes(slot)),
                },
                Limits = new Limits(null, rate % 3 == 0 ? null : new RateLimit(rate, rate, rate)),
                Created = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.FromHours(2)).AddTicks(ticks),
                Args = new OrderedDictionary<string, string> { ["Z"] = Sendable(name.Get), ["A"] = "1" },
            };
        Prop.ForAll(records.ToArbitrary(), record =>
        {
            var read = StoreFormat.ReadAttachment(StoreFormat.Write(record));
            return read == record && read.Args.SequenceEqual(record.Args) && read.Ports.Claims.SequenceEqual(record.Ports.Claims)
                && read.Created == record.Created && read.Ports.Slice == record.Ports.Slice
                && read.Namespace == record.Namespace && read.Host == record.Host;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Unknown_members_are_skipped()
    {
        var text = Golden("attachment.json")
            .Replace("\"version\": 2,", "\"version\": 2, \"later\": {\"a\": [1, {}]},", StringComparison.Ordinal)
            .Replace("\"begin\": 32768,", "\"begin\": 32768, \"more\": [[]],", StringComparison.Ordinal);
        Assert.Equal(Samples.WithEverything(), Read(text));
    }

    [Theory]
    [InlineData("\"version\": 2", "\"version\": 3", "version 3 is newer than this program, which knows 2")]
    [InlineData("\"version\": 2", "\"version\": 1", "version 1 is of a release before 0.2: drain the host")]
    [InlineData("\"version\": 2", "\"version\": 0", "version 0 is of a release before 0.2: drain the host")]
    [InlineData("\"version\": 2", "\"version\": \"2\"", "version")]
    [InlineData("  \"version\": 2,\n", "", "version")]
    [InlineData("\"network\": \"shared\"", "\"network\": 1", "network")]
    [InlineData("\"network\": \"shared\"", "\"network\": null", "network")]
    [InlineData("  \"network\": \"shared\",\n", "", "network")]
    [InlineData("\"network\": \"shared\"", "\"other\": \"shared\"", "network")]
    [InlineData("\"ifName\": \"eth0\"", "\"other\": \"eth0\"", "ifName")]
    [InlineData("\"key\": {", "\"keys\": {", "key")]
    [InlineData("\"namespace\": {", "\"namespaces\": {", "namespace")]
    [InlineData("\"madeOn\": {", "\"made\": {", "madeOn")]
    [InlineData("\"numbers\": {", "\"number\": {", "numbers")]
    [InlineData("\"host\": {", "\"host\": null, \"hosts\": {", "host")]
    [InlineData("\"ports\": {", "\"port\": {", "ports")]
    [InlineData("\"fixed\": [", "\"fix\": [", "fixed")]
    [InlineData("\"process\": {", "\"processes\": {", "process")]
    [InlineData("\"pid\": 4711,", "", "pid")]
    [InlineData("\"startTime\": 123456789", "\"other\": 0", "startTime")]
    [InlineData("\"path\": \"/run/netns/c0ffee\"", "\"path\": null", "path")]
    [InlineData("\"device\": 4,", "", "device")]
    [InlineData("\"bootId\": \"0f4a3b1c-6c8e-4a57-9d57-2f0b8f1e6a11\",", "", "bootId")]
    [InlineData("\"hostEnd\": 17", "\"hostEnd\": -1", "numbers: hostEnd -1 is negative")]
    [InlineData("\"containerEnd\": 2", "\"containerEnd\": -2", "numbers: containerEnd -2 is negative")]
    [InlineData("\"masterIndex\": 2", "\"masterIndex\": 0", "host: masterIndex 0 is not greater than 0")]
    [InlineData("\"mac\": \"02:42:ac:11:00:02\"", "\"mac\": \"02:42:ac:11:00\"", "host: mac \"02:42:ac:11:00\" is not an Ethernet address")]
    [InlineData("\"address\": \"192.0.2.10\"", "\"address\": \"::1\"", "address: \"::1\" is not an IPv4 address")]
    [InlineData("\"address\": \"192.0.2.10\"", "\"address\": \"127.1\"", "address: \"127.1\" is not an IPv4 address")]
    [InlineData("\"address\": \"192.0.2.10\"", "\"address\": null", "address")]
    [InlineData("\"address\": \"192.0.2.10\"", "\"address\": 1", "address: an IPv4 address is not a string")]
    [InlineData("\"gateway\": \"192.0.2.1\"", "\"gateway\": \"192.0.2.01\"", "gateway: \"192.0.2.01\" is not an IPv4 address")]
    [InlineData("\"gateway\": \"192.0.2.1\"", "\"gateway\": null", null)]
    [InlineData("\"egress\": {", "\"egress\": null, \"other\": {", null)]
    [InlineData("\"state\": \"ready\"", "\"state\": \"readi\"", "state")]
    [InlineData("\"state\": \"ready\"", "\"state\": 1", "state")]
    [InlineData("\"state\": \"ready\"", "\"state\": \"Ready\"", "state")]
    [InlineData("\"hostLoopback\": \"allow\"", "\"hostLoopback\": true", "hostLoopback")]
    [InlineData("\"slot\": 1", "\"slot\": 0", "numbers: slot 0 is outside 1-4095")]
    [InlineData("\"slot\": 1", "\"slot\": 4096", "slot 4096")]
    [InlineData("\"slot\": 1", "\"slot\": 1.5", "slot")]
    [InlineData("\"begin\": 32768", "\"begin\": 65536", "0 to 65535")]
    [InlineData("\"begin\": 32768", "\"begin\": -1", "0 to 65535")]
    [InlineData("\"begin\": 32768", "\"begin\": \"32768\"", "0 to 65535")]
    [InlineData("\"begin\": 32768", "\"begin\": 33792", "ends before it begins")]
    [InlineData("\"begin\": 32768", "\"begin\": 32769", "ports: ephemeral 32769-33791 is not an aligned power of two")]
    [InlineData("\"end\": 33791", "\"end\": 34815", null)] // 2048 ports from 32768: fine
    [InlineData("\"end\": 33791", "\"end\": 34816", "not an aligned power of two")]
    [InlineData("\"begin\": 32768,", "", "begin and end")]
    [InlineData("\"begin\": 31010", "\"begin\": 31020", "ends before it begins")]
    [InlineData("\"protocol\": \"udp\"", "\"protocol\": \"icmp\"", "icmp")]
    [InlineData("\"protocol\": \"udp\"", "\"protocol\": 17", "protocol")]
    [InlineData("\"protocol\": \"udp\",", "", "no protocol")]
    [InlineData("\"prefixLength\": 24", "\"prefixLength\": 33", "host: prefixLength 33 is outside 0-32")]
    [InlineData("\"mtu\": 1500", "\"mtu\": \"1500\"", "mtu")]
    [InlineData("\"mtu\": 1500", "\"mtu\": 99999999999", "mtu")]
    [InlineData("\"inode\": 4026532481", "\"inode\": -1", "inode")]
    [InlineData("\"CPUS\": \"2\"", "\"CPUS\": 2", "args")]
    [InlineData("\"CPUS\": \"2\"", "\"CPUS\": null", "CPUS")]
    [InlineData("\"created\": \"2026", "\"created\": \"yesterday", "created")]
    [InlineData("\"ceil\": 75000000,", "", "ceil")]
    [InlineData("}\n}", "}\n", "")]
    public void A_record_that_cannot_be_trusted_is_refused_with_the_reason(string old, string changed, string? reason)
    {
        var lines = Golden("attachment.json");
        var at = old == "}\n}" ? -1 : lines.IndexOf(old, StringComparison.Ordinal);
        var text = at < 0 ? lines.TrimEnd()[..^1] : lines[..at] + changed + lines[(at + old.Length)..];
        if (reason is null)
        {
            Read(text);
            return;
        }

        var e = Assert.Throws<RecordFormatException>(() => Read(text));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_record_of_an_older_release_is_refused_with_what_to_do()
    {
        // As release 0.1 began it: nothing but its version need be understood.
        const string Old = """{"version": 1, "network": "shared", "containerId": "c0ffee", "ifName": "eth0", "slot": 1}""";
        Assert.Equal(
            "version 1 is of a release before 0.2: drain the host (end its containers with that release), then remove the state directory",
            Assert.Throws<RecordFormatException>(() => Read(Old)).Message);
    }

    [Fact]
    public void A_record_that_could_not_be_read_back_has_a_fault()
    {
        var sample = Samples.Attachment();
        Assert.Null(sample.FindFault());
        Assert.Equal("version 1 is not known", (sample with { Version = 1 }).FindFault());
        var address = sample with { Host = sample.Host with { Address = IPAddress.IPv6Loopback } };
        Assert.Equal("host: address \"::1\" is not an IPv4 address", address.FindFault());
        var gateway = sample with { Host = sample.Host with { Gateway = IPAddress.IPv6Loopback } };
        Assert.Equal("host: gateway \"::1\" is not an IPv4 address", gateway.FindFault());
    }

    [Theory]
    [InlineData("\"flow\": 1023", "\"flow\": 0", null)]
    [InlineData("\"flow\": 1023", "\"flow\": 3", null)]
    [InlineData("\"flow\": 1023", "\"flow\": 2", "numbers: flow 2 is outside 3-1023")]
    [InlineData("\"flow\": 1023", "\"flow\": -1", "flow -1")]
    [InlineData("\"flow\": 1023", "\"flow\": 1024", "flow 1024")]
    [InlineData("\"flow\": 1023", "\"flow\": null", "flow")]
    [InlineData("\"plainQueue\": true", "\"plainQueue\": 1", "plainQueue")]
    [InlineData("\"dropsUnmatched\": true", "\"dropsUnmatched\": \"true\"", "dropsUnmatched")]
    [InlineData("\"generation\": 1", "\"generation\": 2", "numbers: generation 2 is neither 0 nor 1")]
    [InlineData("\"generation\": 1", "\"generation\": -1", "generation -1")]
    [InlineData("\"networkPorts\": \"31000-31999,33000\"", "\"networkPorts\": \"\"", null)]
    [InlineData("\"networkPorts\": \"31000-31999,33000\"", "\"networkPorts\": null", null)]
    [InlineData("\"networkPorts\": \"31000-31999,33000\"", "\"networkPorts\": 31000", "networkPorts")]
    [InlineData("\"networkPorts\": \"31000-31999,33000\"", "\"networkPorts\": \"31000-31999,\"", "ports: networkPorts has \"\"")]
    [InlineData("\"networkPool\": \"32768-57343\"", "\"networkPool\": \"57343-32768\"", "ports: networkPool has \"57343-32768\"")]
    [InlineData("kubepods-burstable-pod7.slice:", "/kubepods/a..b/:", null)]
    [InlineData("\"kubepods-burstable-pod7.slice:cri-containerd:c0ffee\"", "null", null)]
    [InlineData("\"kubepods-burstable-pod7.slice:cri-containerd:c0ffee\"", "7", "cgroupPath")]
    [InlineData("kubepods-burstable-pod7.slice:", "/kubepods/../", "cgroupPath has an element \"..\"")]
    [InlineData("kubepods-burstable-pod7.slice:", "..:", "cgroupPath has an element \"..\"")]
    [InlineData("kubepods-burstable-pod7.slice:", "\\u0000", "cgroupPath contains NUL")]
    [InlineData("\"changed\": \"2026-03-02T08:00:00+00:00\"", "\"changed\": \"soon\"", "changed")]
    [InlineData("\"claims\": [", "\"claim\": [", "claims")]
    [InlineData("\"finishesChecksums\": true", "\"finishesChecksums\": 1", "finishesChecksums")]
    [InlineData("\"features\": {", "\"features\": null, \"other\": {", "features")]
    [InlineData("\"limits\": {", "\"limits\": null, \"other\": {", "limits")]
    [InlineData("\"before\": {", "\"before\": null, \"other\": {", null)]
    [InlineData("\"limits\": {", "\"limit\": {", "limits")]
    [InlineData("\"hasFilterQdisc\": true,", "", "hasFilterQdisc")]
    [InlineData("\"hasOthers\": true", "\"hasOthers\": \"yes\"", "hasOthers")]
    [InlineData("\"32768\\t60999\"", "null", "before: sysctls has no value for net/ipv4/ip_local_port_range")]
    [InlineData("\"loopbackMac\": \"02:00:00:00:00:01\"", "\"loopbackMac\": \"zeros\"", "before: loopbackMac \"zeros\" is not an Ethernet address")]
    [InlineData("\"loopbackMac\": \"02:00:00:00:00:01\"", "\"loopbackMac\": null", null)]
    [InlineData("\"loopbackMtu\": 65536", "\"loopbackMtu\": -1", "before: loopbackMtu -1 is outside 0-4294967295")]
    [InlineData("\"loopbackMtu\": 65536", "\"loopbackMtu\": 4294967296", "before: loopbackMtu 4294967296 is outside 0-4294967295")]
    [InlineData("\"masterIndex\": 3", "\"masterIndex\": -3", "change.host: masterIndex -3 is not greater than 0")]
    [InlineData("\"begin\": 31006", "\"begin\": 31008", "ends before it begins")]
    public void A_member_that_a_record_need_not_have_is_refused_where_it_cannot_be_trusted(string old, string changed, string? reason)
    {
        var golden = Golden("attachment-changing.json");
        Assert.Contains(old, golden, StringComparison.Ordinal);
        var text = golden.Replace(old, changed, StringComparison.Ordinal);
        if (reason is null)
        {
            Read(text);
            return;
        }

        var e = Assert.Throws<RecordFormatException>(() => Read(text));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\0\0\0\0")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("1")]
    [InlineData("not json")]
    public void Rubbish_is_refused_as_any_kind_of_record(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Assert.Throws<RecordFormatException>(() => StoreFormat.ReadAttachment(bytes));
        Assert.Throws<RecordFormatException>(() => StoreFormat.ReadHost(bytes));
        Assert.Throws<RecordFormatException>(() => StoreFormat.ReadFreed(bytes));
    }

    [Fact]
    public void Every_truncation_and_every_flipped_byte_is_read_or_refused_but_nothing_else()
    {
        var whole = StoreFormat.Write(Samples.Changing());
        for (var length = 0; length < whole.Length - 2; length++)
        {
            Assert.Throws<RecordFormatException>(() => StoreFormat.ReadAttachment(whole.AsSpan(0, length)));
        }

        for (var i = 0; i < whole.Length; i++)
        {
            foreach (var mask in new byte[] { 1, 0x20, 0x80, 0xff })
            {
                var damaged = whole.ToArray();
                damaged[i] ^= mask;
                try
                {
                    StoreFormat.ReadAttachment(damaged);
                }
                catch (RecordFormatException)
                {
                    // The one exception that is allowed.
                }
            }
        }
    }

    [Fact]
    public void Names_of_host_interfaces_fit_and_differ()
    {
        // First 12 digits of printf 'net\0id\0eth0' | sha256sum
        Assert.Equal("pmi" + KnownDigest, new AttachmentKey("net", "id", "eth0").HostInterface);
        Assert.Equal(15, new AttachmentKey("net", "id", "eth0").HostInterface.Length);
        Assert.NotEqual(new AttachmentKey("a", "bc", "d").HostInterface, new AttachmentKey("ab", "c", "d").HostInterface);
    }

    [Fact]
    public void A_process_is_alive_only_with_the_same_start_time()
    {
        Assert.True(ProcessIdentity.Current.IsAlive());
        Assert.False((ProcessIdentity.Current with { StartTime = ProcessIdentity.Current.StartTime + 1 }).IsAlive());
        Assert.False(new ProcessIdentity(-1, 0).IsAlive());
        Assert.False(Samples.Attachment().Process.IsAlive());
        using var child = Command.Start("cat");
        var identity = ProcessIdentity.Find(child.Id)!.Value;
        Assert.True(identity.IsAlive());
        child.StandardInput.Close();
        child.WaitForExit();
        Assert.False(identity.IsAlive());
    }

    // An environment variable is bytes: it has no halves of surrogate pairs.
    private static string Sendable(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private const string KnownDigest = "6a7277f1c924";

    private static Attachment Read(string text) => StoreFormat.ReadAttachment(Encoding.UTF8.GetBytes(text));
}
