using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tests.Headers;

/// <summary>A C compiler compares every structure, enum member and named constant with the kernel's headers.</summary>
public class HeaderTests
{
    private const string Prologue = """
        #define _GNU_SOURCE
        #include <errno.h>
        #include <fcntl.h>
        #include <sched.h>
        #include <stddef.h>
        #include <signal.h>
        #include <sys/inotify.h>
        #include <sys/ioctl.h>
        #include <sys/resource.h>
        #include <sys/socket.h>
        #include <sys/stat.h>
        #include <unistd.h>
        #include <netinet/in.h>
        #include <netinet/tcp.h>
        #include <linux/bpf.h>
        #include <linux/btf.h>
        #include <linux/ethtool.h>
        #include <linux/gen_stats.h>
        #include <linux/if.h>
        #include <linux/if_addr.h>
        #include <linux/if_ether.h>
        #include <linux/if_link.h>
        #include <linux/if_packet.h>
        #include <linux/inet_diag.h>
        #include <linux/magic.h>
        #include <linux/neighbour.h>
        #include <linux/netlink.h>
        #include <linux/nsfs.h>
        #include <linux/pkt_cls.h>
        #include <linux/pkt_sched.h>
        #include <linux/net_namespace.h>
        #include <linux/rtnetlink.h>
        #include <linux/sock_diag.h>
        #include <linux/sockios.h>
        #include <linux/tc_act/tc_mirred.h>
        #include <linux/veth.h>

        """;

    // The headers' expression is an int; ours has the width of the attribute type or member it is for.
    private static readonly Dictionary<string, string> Narrowed = new()
    {
        ["NLA_TYPE_MASK"] = "(unsigned short)NLA_TYPE_MASK",
        ["SPEED_UNKNOWN"] = "(__u32)SPEED_UNKNOWN",
    };

    private static readonly Assembly[] Assemblies = [typeof(Links).Assembly, typeof(Errno).Assembly];

    // Names that the exported headers of Linux 6.1 do not have: none so far.
    private static readonly string[] Missing = [];

    [Fact]
    public void Every_enum_member_names_its_kernel_constant()
    {
        // Zero of a set of flags has no name in the kernel.
        var unnamed = SourceConstants.Constants().Where(c => c is { IsEnum: true, Kernel: null } && !(c.Member == "None" && c.Literal == "0"));
        Assert.Empty(unnamed.Select(c => $"{c.Type}.{c.Member}"));
        Assert.True(SourceConstants.Constants().Count(c => c.IsEnum) > 100, "the sources are not read as they are written");
    }

    [Fact]
    public void Every_sequential_structure_names_its_kernel_structure()
    {
        var named = SourceConstants.Structures().Select(s => s.Type).Order();
        var all = Assemblies.SelectMany(a => a.GetTypes())
            .Where(t => t is { IsValueType: true, IsEnum: false } && !t.IsDefined(typeof(System.Runtime.CompilerServices.CompilerGeneratedAttribute))
                && !t.IsByRefLike && !t.IsNested && t.Name[0] != '<' && !t.GetInterfaces().Any(i => i.Name.StartsWith("IEquatable", StringComparison.Ordinal)))
            .Select(t => t.Name).Order();
        Assert.Equal(all, named);
    }

    [Fact]
    public void Headers_agree()
    {
        var (exit, output) = Compile(Asserts());
        Assert.True(exit == 0, output);
    }

    [Theory]
    [InlineData("_Static_assert(sizeof(struct nlmsghdr) == 17, \"wrong size\");", "wrong size")]
    [InlineData("_Static_assert(RTM_NEWLINK == 17, \"wrong value\");", "wrong value")]
    public void A_wrong_assertion_does_not_compile(string assertion, string text)
    {
        var (exit, output) = Compile(Asserts() + assertion + "\n");
        Assert.NotEqual(0, exit);
        Assert.Contains(text, output, StringComparison.Ordinal);
    }

    private static string Asserts()
    {
        var code = new StringBuilder(Prologue);
        foreach (var structure in SourceConstants.Structures())
        {
            var type = Find(structure.Type);
            var size = Marshal.SizeOf(type);
            code.Append(CultureInfo.InvariantCulture, $"_Static_assert(sizeof(struct {structure.Kernel}) {(structure.IsPrefix ? ">=" : "==")} {size}, \"{structure.Type}\");\n");
            foreach (var (member, kernel) in structure.Members.Where(m => m.Kernel is not null))
            {
                var offset = (int)Marshal.OffsetOf(type, member);
                code.Append(CultureInfo.InvariantCulture, $"_Static_assert(offsetof(struct {structure.Kernel}, {kernel}) == {offset}, \"{structure.Type}.{member}\");\n");
            }
        }

        foreach (var constant in SourceConstants.Constants().Where(c => c.Kernel is not null && !Missing.Contains(c.Kernel)))
        {
            var field = Find(constant.Type).GetField(constant.Member, BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic);
            if (field is null)
            {
                continue; // Local to a method.
            }

            var value = Convert.ToDecimal(field.GetRawConstantValue(), CultureInfo.InvariantCulture);

            // Both sides as 64 bits: the kernel's verdicts are negative ints and its handles unsigned ones.
            var cast = value < 0 ? "(long long)" : "(unsigned long long)";
            code.Append(CultureInfo.InvariantCulture, $"_Static_assert({cast}({Narrowed.GetValueOrDefault(constant.Kernel!, constant.Kernel!)}) == {cast}({value}{(value < 0 ? "LL" : "ULL")}), \"{constant.Type}.{constant.Member}\");\n");
        }

        return code.ToString();
    }

    private static Type Find(string name) => Assemblies.SelectMany(a => a.GetTypes()).Single(t => t.Name == name);

    private static (int Exit, string Output) Compile(string code)
    {
        var start = new ProcessStartInfo("gcc", ["-x", "c", "-fsyntax-only", "-std=gnu11", "-"])
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        using var gcc = Process.Start(start)!;
        var output = gcc.StandardError.ReadToEndAsync();
        gcc.StandardInput.Write(code);
        gcc.StandardInput.Close();
        gcc.WaitForExit();
        return (gcc.ExitCode, output.Result);
    }
}
