using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Linux.Tests;

public sealed class KernelTypesTests
{
    [Fact]
    public void Members_are_found_where_they_are_also_inside_of_what_has_no_name()
    {
        var types = KernelTypes.Parse(Description())!;
        Assert.Equal(new MemberPlace(0, 0), types.Find("packet"u8, "length"u8));
        Assert.Equal(new MemberPlace(64 + 5, 2), types.Find("packet"u8, "state"u8));
        Assert.Equal(new MemberPlace(96 + 16, 0), types.Find("packet"u8, "place"u8));
        Assert.Null(types.Find("packet"u8, "plac"u8));
        Assert.Null(types.Find("packet"u8, "places"u8));
        Assert.Null(types.Find("packets"u8, "length"u8));
        Assert.Null(types.Find("word"u8, "length"u8));
    }

    [Fact]
    public void What_contains_itself_ends()
    {
        var description = new Description();
        description.Structure("packet", false, ("", 1, 0));
        Assert.Null(KernelTypes.Parse(description.ToArray())!.Find("packet"u8, "length"u8));
    }

    [Fact]
    public void Every_part_of_a_description_is_read_or_refused()
    {
        var whole = Description();
        for (var length = 0; length < whole.Length; length++)
        {
            Assert.Null(KernelTypes.Parse(whole.AsMemory(0, length)));
        }

        Assert.Null(KernelTypes.Read("/sys/kernel/btf/absent"));
        Assert.Null(KernelTypes.Read("/sys/kernel/btf"));
    }

    [Fact]
    public void No_description_is_harmful() => Prop.ForAll(
        ArbMap.Default.ArbFor<(int At, byte Value)[]>(),
        changes =>
        {
            var description = Description();
            foreach (var (at, value) in changes)
            {
                description[(at & int.MaxValue) % description.Length] = value;
            }

            if (KernelTypes.Parse(description) is { } types)
            {
                _ = types.Find("packet"u8, "place"u8);
                _ = SocketBufferLayout.From(types);
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [FactWithKernelTypes]
    public void The_running_kernel_tells_where_a_packet_has_its_checksum()
    {
        var layout = SocketBufferLayout.Read();
        Assert.NotNull(layout);
        Assert.True(layout.IsPlausible);

        // Neighbours in every kernel: csum_start and csum_offset share a word with csum; head stands before data.
        Assert.Equal(layout.Start + 2, layout.Place);
        Assert.Equal(layout.Head + 8, layout.Data);
        Assert.Equal(HostIdentity.BootId, layout.BootId);
        Assert.NotNull(ChecksumGuard.LookingAtThePlace(layout));
    }

    [Fact]
    public void Of_a_layout_that_cannot_be_no_program_is_made()
    {
        var layout = new SocketBufferLayout("boot", 128, 5, 136, 138, 192, 200, 129, 3);
        Assert.NotNull(ChecksumGuard.LookingAtThePlace(layout));
        Assert.Null(ChecksumGuard.LookingAtThePlace(layout with { State = -1 }));
        Assert.Null(ChecksumGuard.LookingAtThePlace(layout with { StateShift = 7 }));
        Assert.Null(ChecksumGuard.LookingAtThePlace(layout with { TunnelShift = 8 }));
        Assert.Null(ChecksumGuard.LookingAtThePlace(layout with { Head = 5000 }));
        Assert.Null(ChecksumGuard.LookingAtThePlace(layout with { Head = 0, Data = 600 }));
    }

    /// <summary>struct packet { word length; unsigned : 5, state : 2; union { word sum; struct { half start; half place; }; }; } and other kinds.</summary>
    private static byte[] Description()
    {
        var description = new Description();
        description.Type("word", 1, 0, 4, 0); // 1: BTF_KIND_INT
        description.Type("half", 1, 0, 2, 0); // 2
        description.Type("", 2, 0, 1); // 3: BTF_KIND_PTR
        description.Type("", 3, 0, 0, 1, 1, 4); // 4: BTF_KIND_ARRAY
        description.Type("colour", 6, 1, 4, 0, 0); // 5: BTF_KIND_ENUM
        description.Type("wide", 19, 1, 8, 0, 0, 0); // 6: BTF_KIND_ENUM64
        description.Type("", 13, 1, 1, 0, 1); // 7: BTF_KIND_FUNC_PROTO
        description.Type("tag", 17, 0, 1, 0); // 8: BTF_KIND_DECL_TAG
        description.Structure("", false, ("start", 2, 0), ("place", 2, 16)); // 9
        description.Type("", 5, 2, 4, description.Name("sum"), 1, 0, 0, 9, 0); // 10: BTF_KIND_UNION
        description.Structure("packet", true, ("length", 1, 0), ("state", 1, (2 << 24) | (64 + 5)), ("", 10, 96)); // 11
        return description.ToArray();
    }
}

/// <summary>A test for kernels that tell their types.</summary>
public sealed class FactWithKernelTypesAttribute : FactAttribute
{
    public FactWithKernelTypesAttribute() =>
        Skip = File.Exists(KernelTypes.DefaultPath) ? null : $"this kernel has no {KernelTypes.DefaultPath} (CONFIG_DEBUG_INFO_BTF)";
}

/// <summary>Composes a description of types.</summary>
internal sealed class Description
{
    private readonly List<byte> _types = [];
    private readonly List<byte> _names = [0];

    public void Structure(string name, bool bitFields, params (string Name, int Type, int Place)[] members) => Type(
        name,
        4 | (bitFields ? 0x80 : 0), // BTF_KIND_STRUCT, kind_flag
        members.Length,
        64,
        [.. members.SelectMany(member => new[] { Name(member.Name), member.Type, member.Place })]);

    /// <param name="name">Its name; none is empty.</param>
    /// <param name="kind">With the flag in its highest bit.</param>
    /// <param name="count">How many members or values it has.</param>
    /// <param name="size">Or the number of another type.</param>
    /// <param name="more">What follows.</param>
    public void Type(string name, int kind, int count, int size, params int[] more)
    {
        foreach (var word in (int[])[Name(name), (kind << 24) | count, size, .. more])
        {
            Append(_types, word);
        }
    }

    public int Name(string name)
    {
        if (name.Length == 0)
        {
            return 0;
        }

        var place = _names.Count;
        _names.AddRange(Encoding.ASCII.GetBytes(name));
        _names.Add(0);
        return place;
    }

    public byte[] ToArray()
    {
        var header = new List<byte> { 0x9f, 0xeb, 1, 0 };
        foreach (var word in (int[])[24, 0, _types.Count, _types.Count, _names.Count])
        {
            Append(header, word);
        }

        return [.. header, .. _types, .. _names];
    }

    private static void Append(List<byte> to, int word)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, word);
        to.AddRange(bytes);
    }
}
