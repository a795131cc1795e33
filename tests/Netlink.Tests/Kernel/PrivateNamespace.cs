using System.Diagnostics;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Netlink.Tests.Kernel;

/// <summary>
/// A network namespace that only lives as long as this object holds it: it has no name and no process, so that a test that
/// dies cannot leave it behind, nor the links in it.
/// </summary>
public sealed class PrivateNamespace : IDisposable
{
    private PrivateNamespace(NetworkNamespace opened) => Opened = opened;

    public NetworkNamespace Opened { get; }

    public static PrivateNamespace Create()
    {
        // unshare(1) says when it is in its namespace, then waits for its input to end.
        using var process = Process.Start(new ProcessStartInfo("unshare", ["-n", "sh", "-c", "echo ready; read end"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            Assert.Equal("ready", process.StandardOutput.ReadLine());
            return new PrivateNamespace(NetworkNamespace.Open($"/proc/{process.Id}/ns/net"));
        }
        finally
        {
            process.StandardInput.Close();
            process.WaitForExit();
        }
    }

    /// <summary>A connection into it, usable from any thread.</summary>
    public NetlinkConnection Connect(Netlink.Protocol.NetlinkFamily family = Netlink.Protocol.NetlinkFamily.Route) =>
        Opened.Run(() => NetlinkConnection.Open(family));

    /// <summary>A veth pair with both ends inside, up, with the indexes 7 and 8. What is sent through 7 gets out at once.</summary>
    public void AddPair(NetlinkConnection connection)
    {
        Execute(connection, batch => Links.CreateVeth(
            batch, new VethEnd($"pmit-{Environment.ProcessId}", 7), new VethEnd($"pmiu-{Environment.ProcessId}", 8), Opened.Descriptor, new MacAddress([2, 0, 0, 0, 0, 7]), 1500));
        Execute(connection, batch =>
        {
            Links.SetUp(batch, 1, "lo up");

            // The end that comes up first has no carrier then, and drops what it is given until a worker of the kernel has looked at it.
            Links.SetUp(batch, 8, "8 up");
            Links.SetUp(batch, 7, "7 up");
        });
    }

    public static void Execute(NetlinkConnection connection, Action<Netlink.Protocol.NetlinkBatch> write)
    {
        var batch = new Netlink.Protocol.NetlinkBatch();
        write(batch);
        connection.ExecuteOrThrow(batch);
    }

    /// <summary>Equivalent to: <c>tc qdisc add dev INDEX parent PARENT|root handle HANDLE bfifo</c>; the library makes none, it is somebody else's.</summary>
    public static void AddFifo(Netlink.Protocol.NetlinkBatch batch, int index, uint parent, uint handle)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.NewQdisc, Netlink.Protocol.MessageFlags.Create | Netlink.Protocol.MessageFlags.Exclusive, "add bfifo");
        message.Structure(new TcHeader { Index = index, Handle = handle, Parent = parent });
        message.Attribute(TcAttribute.Kind, "bfifo");
    }

    public void Dispose() => Opened.Dispose();
}
