using System.Net;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Demo;

/// <summary>The steps about packets: 3, 4, 5, 7, 9 and 10.</summary>
internal sealed partial class Traffic(Stage stage) : IDisposable
{
    /// <summary>The limit that web is given in step 10, in bytes per second.</summary>
    public const long Rate = 12_500 << 10;

    /// <summary>What it sends then.</summary>
    public const long LimitedBytes = 16 << 20;

    /// <summary>Bound explicitly, with port 0: the kernel chooses at once, as for any program that does not care.</summary>
    private static readonly ProbeOptions AnyPort = new() { SourceAddress = IPAddress.Any };

    private readonly Screen _screen = stage.Screen;
    private readonly List<EchoServer> _servers = [];

    public void ReachFixedPorts()
    {
        Screen.Step(3, $"A server in web, on its fixed port {Stage.WebPort}");
        _servers.Add(stage.Serve(stage.Web.Place, Transport.Tcp, Stage.WebPort));
        _servers.Add(stage.Serve(stage.Web.Place, Transport.Udp, Stage.WebPort));
        foreach (Transport transport in new[] { Transport.Tcp, Transport.Udp })
        {
            Reached($"the outside reaches it by {(transport == Transport.Tcp ? "TCP" : "UDP")}", stage.Connect(stage.Outside, transport, stage.Shared, Stage.WebPort), stage.Network.OutAddress);
        }

        Reached("the host reaches it by its own address", stage.Connect(stage.Host, Transport.Tcp, stage.Shared, Stage.WebPort), stage.Shared);
        Reached("the host reaches it by 127.0.0.1", stage.Connect(stage.Host, Transport.Tcp, IPAddress.Loopback, Stage.WebPort), IPAddress.Loopback);
        ProbeResult neighbour = stage.Connect(stage.Database.Place, Transport.Tcp, stage.Shared, Stage.WebPort);
        Reached("another container, db, reaches it", neighbour, stage.Shared);
        Owned("web sees db's connection come from a port of db", stage.Database, neighbour);

        ProbeResult unowned = stage.Connect(stage.Outside, Transport.Tcp, stage.Shared, Stage.DatabasePort, ProbeOptions.Small with { Timeout = TimeSpan.FromSeconds(2) });
        _screen.Claim(unowned.Outcome == ProbeOutcome.Refused, "db's port, where nobody listens, is refused at once", unowned.ToString());
    }

    public void ConnectOut()
    {
        Screen.Step(4, "Clients in the containers, bound to port 0: any port that is free");
        _servers.Add(stage.Serve(stage.Outside, Transport.Tcp, Stage.OutsidePort));
        _servers.Add(stage.Serve(stage.Outside, Transport.Udp, Stage.OutsidePort));
        foreach ((Container container, Transport transport) in new[]
                 {
                     (stage.Web, Transport.Tcp), (stage.Database, Transport.Tcp), (stage.Job, Transport.Tcp), (stage.Job, Transport.Udp),
                 })
        {
            ProbeResult result = stage.Connect(container.Place, transport, stage.Network.OutAddress, Stage.OutsidePort, AnyPort);
            Owned($"the outside sees {container.Id} at {stage.Shared} and a port of its slice", container, result);
        }
    }

    public void BorrowPort()
    {
        Screen.Step(5, $"job, as root, sends from port {Stage.WebPort}, which belongs to web");
        Screen.Say("A listener on the outside's interface counts what arrives from that port.");
        (int owned, _) = stage.Runtime.Slice(stage.Job);
        using PacketSocket wire = PacketSocket.Open(stage.Outside, Topology.OutInterface,
            frame => !frame.Outgoing && frame.View.IsUdp && frame.View.DestinationPort == Stage.OutsidePort);
        ProbeOptions impatient = new() { Timeout = TimeSpan.FromSeconds(1) };
        ProbeResult foreign = stage.Connect(stage.Job.Place, Transport.Udp, stage.Network.OutAddress, Stage.OutsidePort, impatient with { SourcePort = Stage.WebPort });
        ProbeResult own = stage.Connect(stage.Job.Place, Transport.Udp, stage.Network.OutAddress, Stage.OutsidePort, AnyPort with { SourcePort = owned });
        // The owned one came second on the same path: once it has been seen, the first can no longer be on its way.
        bool seen = wire.WaitFor(frame => frame.View.SourcePort == owned) is not null;
        int strangers = wire.Frames.Count(frame => frame.View.SourcePort == Stage.WebPort);
        _screen.Claim(foreign.Outcome == ProbeOutcome.Timeout && strangers == 0,
            $"from web's port {Stage.WebPort}: {strangers} packets on the wire, no answer", $"{foreign}, {strangers} packets on the wire");
        _screen.Claim(own.Ok && seen, $"from job's own port {owned}: {wire.Frames.Count(frame => frame.View.SourcePort == owned)} packets on the wire, and an answer", own.ToString());
    }

    public void Load()
    {
        Screen.Step(7, "Bulk transfer and ping");
        ProbeOptions bulk = ProbeOptions.Bulk with { StreamBytes = 32 << 20 };
        ProbeResult echoed = stage.Connect(stage.Outside, Transport.Tcp, stage.Shared, Stage.WebPort, bulk);
        _screen.Claim(echoed.Ok, "32 MiB went into web and came back, with the same SHA-256", echoed.ToString());
        foreach ((string name, Namespace from, Namespace to, IPAddress address, int port) in new[]
                 {
                     ("outside to host, no plugin involved", stage.Outside, stage.Host, stage.Shared, 8000),
                     ("outside to web", stage.Outside, stage.Web.Place, stage.Shared, stage.Runtime.Slice(stage.Web).Begin),
                     ("web to outside", stage.Web.Place, stage.Outside, stage.Network.OutAddress, Stage.OutsidePort + 1),
                     ("db to web", stage.Database.Place, stage.Web.Place, stage.Shared, stage.Runtime.Slice(stage.Web).Begin + 1),
                 })
        {
            Screen.Command(stage.Prompt(from), $"demo-client bulk {address} {port} --bytes {BulkTransfer.Bytes}");
            (long received, TimeSpan time) = BulkTransfer.Run(from, to, address, port);
            Screen.Output($"{name}: {received} bytes in {time.TotalSeconds:0.00} s = {received * 8 / time.TotalSeconds / 1e9:0.0} Gbit/s");
            _screen.Claim(received == BulkTransfer.Bytes, "every byte arrived", $"{received} of {BulkTransfer.Bytes}");
        }

        Screen.Say("(The speed depends on this machine and on what else it does; it is shown, not judged.)");
        Pinged(stage.Outside, stage.Shared, "the outside pings the shared address");
        Pinged(stage.Web.Place, stage.Network.OutAddress, "web pings the outside");
    }

    public void BreakAndRepair()
    {
        Screen.Step(9, "CHECK, and what it says when something is broken");
        PluginResult sound = stage.Runtime.Check(stage.Web);
        Screen.Output(sound.Output.Length == 0 ? $"(nothing printed, exit code {sound.ExitCode})" : sound.Output);
        _screen.Claim(sound.Succeeded, "CHECK finds nothing wrong with web", sound.ToString());
        Screen.Say("(By the specification web.json now contains the result of ADD too, as prevResult.)");

        Screen.Say("");
        Screen.Say($"Web's port {Stage.WebPort} is {Stage.WebPort:x} in hexadecimal. Two of the filters on the host's interface send it to");
        Screen.Say("web: the lower table is that of TCP, the other that of UDP.");
        (string preference, string handle) = FindFilter();
        CommandResult removed = stage.Show(stage.Host, $"tc filter delete dev eth0 ingress protocol ip pref {preference} handle {handle} u32");
        _screen.Claim(removed.ExitCode == 0, $"the filter {handle} has been removed", removed.Error);
        ProbeResult lost = stage.Connect(stage.Outside, Transport.Tcp, stage.Shared, Stage.WebPort, ProbeOptions.Small with { Timeout = TimeSpan.FromSeconds(1) });
        _screen.Claim(!lost.Ok, "the outside does not reach web by TCP any more", lost.ToString());

        PluginResult broken = stage.Runtime.Check(stage.Web);
        Screen.Output(broken.Output);
        _screen.Claim(broken.ErrorCode == 106, "CHECK says so, with code 106", broken.ToString());
        _screen.Claim(broken.ErrorDetails?.Contains(handle, StringComparison.OrdinalIgnoreCase) == true, $"and names the filter {handle}", broken.Output);

        Screen.Say("");
        Screen.Say("A runtime repairs by DEL and ADD:");
        PluginResult gone = stage.Runtime.Del(stage.Web);
        _screen.Claim(gone.Succeeded, "DEL succeeds", gone.ToString());
        PluginResult back = stage.Runtime.Add(stage.Web);
        _screen.Claim(back.Succeeded, "ADD succeeds", back.ToString());
        PluginResult again = stage.Runtime.Check(stage.Web);
        _screen.Claim(again.Succeeded, "CHECK finds nothing wrong with web", again.ToString());
        ProbeResult reached = stage.Connect(stage.Outside, Transport.Tcp, stage.Shared, Stage.WebPort);
        Reached("the outside reaches web again", reached, stage.Network.OutAddress);
    }

    public void Change()
    {
        const int Another = Stage.WebPort + 1;
        Screen.Step(10, "Other ports and a limit for a container that runs");
        CommandResult changed = stage.Runtime.Operate("update", "web", "--ports", $"{Stage.WebPort},{Another}", "--egress-rate", $"{Rate >> 10}KB");
        _screen.Claim(changed.ExitCode == 0 && changed.Output.Contains($"tcp/{Stage.WebPort}-{Another}", StringComparison.Ordinal), "web has two fixed ports", changed.Error);
        _servers.Add(stage.Serve(stage.Web.Place, Transport.Tcp, Another));
        Reached("the outside reaches the new one", stage.Connect(stage.Outside, Transport.Tcp, stage.Shared, Another), stage.Network.OutAddress);
        Reached("and the old one, as before", stage.Connect(stage.Outside, Transport.Tcp, stage.Shared, Stage.WebPort), stage.Network.OutAddress);

        stage.Show(stage.Web.Place, "tc class show dev eth0");
        (long received, TimeSpan time) = BulkTransfer.Run(stage.Web.Place, stage.Outside, stage.Network.OutAddress, Stage.OutsidePort + 2, LimitedBytes);
        Screen.Output($"web to outside: {received} bytes in {time.TotalSeconds:0.00} s = {received * 8 / time.TotalSeconds / 1e6:0.0} Mbit/s");

        // What a limiter saves up may leave at once, and sockets hold a little.
        _screen.Claim(received == LimitedBytes && received <= Rate * (time.TotalSeconds + 0.1), $"web sends no faster than {Rate * 8 / 1e6:0.0} Mbit/s", $"{received} bytes in {time}");
        CommandResult taken = stage.Runtime.Operate("update", "web", "--ports", $"{Stage.DatabasePort}");
        _screen.Claim(taken.ExitCode == 1 && taken.Error.Contains("error 101", StringComparison.Ordinal), $"port {Stage.DatabasePort} is db's: refused with 101, and web keeps what it has", taken.Error);
        PluginResult sound = stage.Runtime.Check(stage.Web);
        _screen.Claim(sound.Succeeded, "CHECK finds nothing wrong with web", sound.ToString());
    }

    public void Dispose()
    {
        foreach (EchoServer server in _servers)
        {
            server.Dispose();
        }
    }

    private void Reached(string statement, ProbeResult result, IPAddress seenAs) =>
        _screen.Claim(result.Ok && seenAs.Equals(result.Peer?.Address), statement, $"expected to be seen as {seenAs}: {result}");

    private void Owned(string statement, Container container, ProbeResult result)
    {
        (int begin, int end) = stage.Runtime.Slice(container);
        _screen.Claim(
            result.Ok && stage.Shared.Equals(result.Peer?.Address) && result.Peer!.Port >= begin && result.Peer.Port <= end,
            $"{statement}, {begin}-{end}", result.ToString());
    }

    private void Pinged(Namespace from, IPAddress to, string statement)
    {
        CommandResult run = stage.Show(from, $"ping -c 4 -i 0.2 {to}");
        bool exact = run.ExitCode == 0 && run.Output.Contains("4 packets transmitted, 4 received, 0%", StringComparison.Ordinal);
        bool doubled = run.Output.Contains("DUP!", StringComparison.Ordinal) || run.Output.Contains("duplicates", StringComparison.Ordinal);
        _screen.Claim(exact && !doubled, $"{statement}: four answers to four requests, no duplicates", run.Output + run.Error);
    }

    /// <summary>Shows the filters for web's port, and returns what to call the first of them by: protocols have their tables in order.</summary>
    private (string Preference, string Handle) FindFilter()
    {
        string line = $"tc filter show dev eth0 ingress | grep -B1 -A1 'match {Stage.WebPort:x8}/0000ffff at 0'";
        Screen.Command(stage.Prompt(stage.Host), line);
        string shown = stage.Host.Execute("sh", "-c", line).Output;
        Screen.Output(shown);
        Match[] names = [.. Name().Matches(shown).OrderBy(name => name.Groups[2].Value, StringComparer.Ordinal)];
        return names.Length > 0
            ? (names[0].Groups[1].Value, names[0].Groups[2].Value)
            : throw new InvalidOperationException($"there is no filter for port {Stage.WebPort} on eth0");
    }

    [GeneratedRegex(@"pref (\d+) u32 .*?fh ([0-9a-f]+:[0-9a-f]+:[0-9a-f]+) ")]
    private static partial Regex Name();
}
