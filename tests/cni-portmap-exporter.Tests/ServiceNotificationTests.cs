using System.Net.Sockets;
using System.Text;
using CniIsolator.Exporter.Serving;

namespace CniIsolator.Exporter.Tests;

public sealed class ServiceNotificationTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("pmit-notify-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_manager_is_told(bool isAbstract)
    {
        var path = Path.Combine(_directory, "notify");
        using var manager = Listen(isAbstract ? '\0' + path : path);
        var notification = new ServiceNotification(isAbstract ? '@' + path : path);
        notification.Ready();
        notification.Stopping();
        Assert.Equal(("READY=1", "STOPPING=1"), (Received(manager), Received(manager)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("@")]
    [InlineData("vsock:2:1234")]
    [InlineData("relative")]
    [InlineData("/nonexistent-directory/notify")]
    public void Who_is_not_there_is_no_fault(string? address) => new ServiceNotification(address).Ready();

    [Fact]
    public void Nor_is_an_address_that_is_too_long() => new ServiceNotification("/" + new string('x', 200)).Ready();

    [Fact]
    public void A_manager_that_does_not_read_is_not_waited_for()
    {
        var path = Path.Combine(_directory, "notify");
        using var manager = Listen(path);
        var notification = new ServiceNotification(path);

        // More than net.unix.max_dgram_qlen, wherever that is not absurd.
        for (var i = 0; i < 5000; i++)
        {
            notification.Ready();
        }

        Assert.Equal("READY=1", Received(manager));
    }

    private static Socket Listen(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 10_000 };
        socket.Bind(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static string Received(Socket socket)
    {
        var buffer = new byte[64];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
    }
}
