using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Demo;

/// <summary>The network that the demo plays on, and the people in it.</summary>
internal sealed class Stage : IDisposable
{
    public const int WebPort = 31005;
    public const int DatabasePort = 31010;
    public const int OutsidePort = 7000;

    public Stage(Screen screen)
    {
        Screen = screen;
        Network = new Topology();
        // A signal ends the process without unwinding to the owner of this.
        AppDomain.CurrentDomain.ProcessExit += CleanUp;
        try
        {
            Web = new Container("web", Network.AddContainerNamespace(), WebPort);
            Database = new Container("db", Network.AddContainerNamespace(), DatabasePort);
            Job = new Container("job", Network.AddContainerNamespace());
            Runtime = new ContainerRuntime(Network);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Screen Screen { get; }

    public Topology Network { get; }

    public ContainerRuntime Runtime { get; }

    public Namespace Host => Network.Host;

    public Namespace Outside => Network.Out;

    public Container Web { get; }

    public Container Database { get; }

    public Container Job { get; }

    public IEnumerable<Container> Containers => [Web, Database, Job];

    /// <summary>The address that all share.</summary>
    public IPAddress Shared => Network.HostAddress;

    /// <summary>What a place is called on the screen.</summary>
    public string Prompt(Namespace place) => place == Host ? "host" : place == Outside ? "outside" : Containers.First(one => one.Place == place).Id;

    /// <summary>Runs a real command, and shows it with all that it printed.</summary>
    public CommandResult Show(Namespace place, string line)
    {
        Screen.Command(Prompt(place), line);
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        CommandResult run = place.Execute(words[0], words[1..]);
        Screen.Output(run.Output + run.Error);
        return run;
    }

    /// <summary>Runs the demo's own client, and shows it with what came of it.</summary>
    public ProbeResult Connect(Namespace from, Transport transport, IPAddress to, int port, ProbeOptions? options = null)
    {
        string binding = options switch
        {
            { SourcePort: > 0 } => $" --from-port {options.SourcePort}",
            { SourceAddress: not null } => " --from-port 0",
            _ => "",
        };
        Screen.Command(Prompt(from), $"demo-client {Name(transport)} {to} {port}{binding}");
        ProbeResult result = Probe.RunAsync(from, transport, new IPEndPoint(to, port), options).GetAwaiter().GetResult();
        Screen.Output(result.Outcome switch
        {
            ProbeOutcome.Reply => $"the server sees me as {result.Peer}; what I sent came back unchanged",
            ProbeOutcome.Refused => "connection refused",
            ProbeOutcome.Timeout => "no answer",
            _ => result.Detail,
        });
        return result;
    }

    /// <summary>Starts the demo's own server, and shows that.</summary>
    public EchoServer Serve(Namespace place, Transport transport, int port)
    {
        Screen.Command(Prompt(place), $"demo-server {Name(transport)} {port} &");
        EchoServer server = EchoServer.Start(place, transport, IPAddress.Any, port);
        Screen.Output($"listening on {server.EndPoint}");
        return server;
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= CleanUp;
        Network.Dispose();
    }

    private void CleanUp(object? sender, EventArgs e)
    {
        // The plugin may be writing its log this moment: it has been killed, but does not end at once.
        Wait.For(() =>
        {
            try
            {
                Network.Dispose();
                return true;
            }
            catch (IOException)
            {
                return false;
            }
        }, TimeSpan.FromSeconds(5));
    }

    private static string Name(Transport transport) => transport == Transport.Tcp ? "tcp" : "udp";
}
