namespace CniIsolator.Kernels.Tests;

/// <summary>
/// The plugin on kernels of Debian's, each as it is and without the description of its types (see src/Linux/KernelTypes.cs).
/// What each statement means is told where it is made, in init.sh.
/// </summary>
public abstract class KernelTests(Guest guest)
{
    private static readonly string[] Names =
    [
        "add", "limits",
        "tcp out to c1", "udp out to c1", "tcp host to c1", "udp host to c1", "tcp c2 to c1", "udp c2 to c1",
        "tcp host to c1 by loopback", "tcp c1 to itself",
        "tcp c1 to out", "udp c1 to out", "tcp c1 to host", "udp c1 to host", "tcp out to host", "ping c1 to out",
        "foreign ports", "CHECK", "doctor", "metrics", "statistics",
        "checksum over the port", "checksum over the port without the guard",
        "container of a user namespace", "header rewritten", "header rewritten without the guard", "DEL of a user namespace's",
        "DEL", "nothing left",
    ];

    public static TheoryData<string, string> Statements
    {
        get
        {
            TheoryData<string, string> all = [];
            foreach (string mode in new[] { "types", "notypes" })
            {
                foreach (string name in Names)
                {
                    all.Add(mode, name);
                }
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Statements))]
    public void Holds(string mode, string name)
    {
        string? verdict = guest.Verdict(mode, name);
        Assert.True(verdict == "ok", $"{guest.Kernel}, {mode}, {name}: {verdict ?? $"not tried:\n{guest.Everything}"}");
    }

    [Fact]
    public void Nothing_else_was_said_and_the_guest_has_come_to_its_end()
    {
        Assert.True(guest.Finished, guest.Everything);
        foreach (string mode in new[] { "types", "notypes" })
        {
            Assert.Equal(Names, guest.Statements(mode));
        }
    }
}

public sealed class Linux61Tests(Linux61 guest) : KernelTests(guest), IClassFixture<Linux61>;

public sealed class Linux612Tests(Linux612 guest) : KernelTests(guest), IClassFixture<Linux612>;
