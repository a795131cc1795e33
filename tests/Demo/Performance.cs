using System.Diagnostics;

namespace CniIsolator.Demo;

/// <summary>The whole demo: its introduction, its steps and its last line.</summary>
internal sealed class Performance
{
    private readonly Screen _screen = new();

    /// <summary>0 if every statement was true.</summary>
    public int Run()
    {
        Stopwatch watch = Stopwatch.StartNew();
        Screen.Heading("cni-portmap-isolate: containers that share their host's one IP address");
        Screen.Say("Each container gets ports of its own: a slice of ephemeral ports for the connections that it");
        Screen.Say("makes, and the fixed ports that it asks for. The kernel's traffic control sends every packet to");
        Screen.Say("the container that owns its port. No NAT, no bridge, no second address.");
        Screen.Say("");
        Screen.Say("Everything happens in network namespaces made for the demo and removed afterwards. The name in");
        Screen.Say("front of $ says in which one a command runs. demo-server and demo-client are a few lines of");
        Screen.Say("this program: the server tells each client from which address and port it came, and sends");
        Screen.Say("everything back. At the end the exporter, the server of statistics, tells what it saw of all this.");
        Screen.Say("All output is real, and ✓ and ✗ say whether it is what it should be.");
        try
        {
            using Stage stage = new(_screen);
            Play(stage);
        }
        catch (Exception error)
        {
            // One line says more to a spectator than the stack; what was made has been removed by now.
            _screen.Claim(false, "the demo ran to its end", error.Message);
        }

        string time = $"{watch.Elapsed.TotalSeconds:0.0} seconds";
        Console.WriteLine();
        Screen.Heading(_screen.Broken.Count == 0
            ? $"All {_screen.Kept} statements held, in {time}."
            : $"{_screen.Broken.Count} of {_screen.Kept + _screen.Broken.Count} statements did not hold, in {time}: {string.Join("; ", _screen.Broken)}");
        return _screen.Broken.Count == 0 ? 0 : 1;
    }

    private static void Play(Stage stage)
    {
        Attaching attaching = new(stage);
        using Statistics statistics = new(stage);
        attaching.ShowNamespaces();
        attaching.AttachContainers();
        using (Traffic traffic = new(stage))
        {
            traffic.ReachFixedPorts();
            traffic.ConnectOut();
            traffic.BorrowPort();
            attaching.AskForTakenPort();
            traffic.Load();
            attaching.ShowBooks();
            traffic.BreakAndRepair();
            traffic.Change();
            statistics.ShowNumbers();
            statistics.CountStrays();
            statistics.TakePicture();
            statistics.EndTraffic();
        }

        attaching.DetachAll();
        statistics.ShowWhatRemains();
    }
}
