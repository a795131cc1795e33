using System.Buffers.Binary;

namespace CniIsolator.Linux;

/// <summary>Where a member of a structure lies.</summary>
/// <param name="Offset">In bits, from the beginning of the structure.</param>
/// <param name="Size">In bits, of a bit field; 0 for a member that is none.</param>
public readonly record struct MemberPlace(int Offset, int Size);

/// <summary>
/// The types of the running kernel, as it describes them itself (BTF). Whatever does not fit into the format is as if it were not there:
/// nobody depends on having it. Source: Documentation/bpf/btf.rst, linux/btf.h.
/// </summary>
public sealed class KernelTypes
{
    /// <summary>Where the kernel has it: from 5.4 on, with CONFIG_DEBUG_INFO_BTF.</summary>
    public const string DefaultPath = "/sys/kernel/btf/vmlinux";

    private const ushort Magic = 0xeb9f; // BTF_MAGIC
    private const int HeaderSize = 24; // struct btf_header
    private const int TypeSize = 12; // struct btf_type
    private const int MemberSize = 12; // struct btf_member

    // More than any structure has within itself; what refers to itself ends here.
    private const int DeepestNesting = 8;

    private readonly ReadOnlyMemory<byte> _types;
    private readonly ReadOnlyMemory<byte> _names;

    // Of each type from number 1 on: where it begins among the types.
    private readonly List<int> _begins = [];

    private KernelTypes(ReadOnlyMemory<byte> types, ReadOnlyMemory<byte> names)
    {
        _types = types;
        _names = names;
    }

    private enum Kind
    {
        Integer = 1, // BTF_KIND_INT
        Pointer = 2, // BTF_KIND_PTR
        Array = 3, // BTF_KIND_ARRAY
        Structure = 4, // BTF_KIND_STRUCT
        Union = 5, // BTF_KIND_UNION
        Enumeration = 6, // BTF_KIND_ENUM
        Forward = 7, // BTF_KIND_FWD
        Alias = 8, // BTF_KIND_TYPEDEF
        Volatile = 9, // BTF_KIND_VOLATILE
        Constant = 10, // BTF_KIND_CONST
        Restrict = 11, // BTF_KIND_RESTRICT
        Function = 12, // BTF_KIND_FUNC
        Prototype = 13, // BTF_KIND_FUNC_PROTO
        Variable = 14, // BTF_KIND_VAR
        Section = 15, // BTF_KIND_DATASEC
        Float = 16, // BTF_KIND_FLOAT
        DeclarationTag = 17, // BTF_KIND_DECL_TAG
        TypeTag = 18, // BTF_KIND_TYPE_TAG
        WideEnumeration = 19, // BTF_KIND_ENUM64
    }

    /// <summary>The types of the running kernel, or null where it does not tell them.</summary>
    public static KernelTypes? Read(string path = DefaultPath)
    {
        try
        {
            return Parse(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The types in a description, or null where it is none, or has types of a kind that is not known.</summary>
    public static KernelTypes? Parse(ReadOnlyMemory<byte> description)
    {
        var header = description.Span;
        if (header.Length < HeaderSize
            || BinaryPrimitives.ReadUInt16LittleEndian(header) != Magic
            || !TrySection(description, header[8..], out var types) // type_off, type_len
            || !TrySection(description, header[16..], out var names)) // str_off, str_len
        {
            return null;
        }

        var found = new KernelTypes(types, names);
        return found.Index() ? found : null;
    }

    private static bool TrySection(ReadOnlyMemory<byte> description, ReadOnlySpan<byte> place, out ReadOnlyMemory<byte> section)
    {
        var behind = BinaryPrimitives.ReadUInt32LittleEndian(description.Span[4..]); // hdr_len
        var begin = (long)behind + BinaryPrimitives.ReadUInt32LittleEndian(place);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(place[4..]);
        var isInside = begin + length <= description.Length;
        section = isInside ? description.Slice((int)begin, (int)length) : default;
        return isInside;
    }

    /// <summary>
    /// Where a member lies, also one of structures and unions without a name inside; null where there is no such structure or member.
    /// </summary>
    public MemberPlace? Find(ReadOnlySpan<byte> structure, ReadOnlySpan<byte> member)
    {
        foreach (var begin in _begins)
        {
            var type = _types.Span[begin..];
            if (KindOf(type) == Kind.Structure && IsNamed(type, structure) && Find(type, member, 0) is { } place)
            {
                return place;
            }
        }

        return null;
    }

    private MemberPlace? Find(ReadOnlySpan<byte> type, ReadOnlySpan<byte> member, int depth)
    {
        var hasBitFields = BinaryPrimitives.ReadUInt32LittleEndian(type[4..]) >> 31 != 0; // kind_flag
        var members = type[TypeSize..];
        for (var count = CountOf(type); count > 0; count--, members = members[MemberSize..])
        {
            var place = BinaryPrimitives.ReadUInt32LittleEndian(members[8..]);
            var offset = (int)(hasBitFields ? place & 0x00ff_ffff : place);
            if (IsNamed(members, member))
            {
                return new MemberPlace(offset, hasBitFields ? (int)(place >> 24) : 0);
            }

            if (IsNamed(members, default)
                && depth < DeepestNesting
                && TypeOf(BinaryPrimitives.ReadUInt32LittleEndian(members[4..])) is { IsEmpty: false } inner
                && KindOf(inner) is Kind.Structure or Kind.Union
                && Find(inner, member, depth + 1) is { } found)
            {
                return found with { Offset = offset + found.Offset };
            }
        }

        return null;
    }

    private ReadOnlySpan<byte> TypeOf(uint number) => number >= 1 && number <= _begins.Count ? _types.Span[_begins[(int)number - 1]..] : default;

    /// <summary>Notes where each type begins: their lengths differ.</summary>
    private bool Index()
    {
        var types = _types.Span;
        for (var begin = 0; begin < types.Length;)
        {
            var rest = types[begin..];
            if (rest.Length < TypeSize || LengthBehind(rest) is not { } more || rest.Length - TypeSize < more)
            {
                return false;
            }

            _begins.Add(begin);
            begin += TypeSize + more;
        }

        return true;
    }

    private static int? LengthBehind(ReadOnlySpan<byte> type) => KindOf(type) switch
    {
        Kind.Integer or Kind.Variable or Kind.DeclarationTag => 4,
        Kind.Array => 12,
        Kind.Structure or Kind.Union => CountOf(type) * MemberSize,
        Kind.Enumeration or Kind.Prototype => CountOf(type) * 8,
        Kind.Section or Kind.WideEnumeration => CountOf(type) * 12,
        Kind.Pointer or Kind.Forward or Kind.Alias or Kind.Volatile or Kind.Constant or Kind.Restrict => 0,
        Kind.Function or Kind.Float or Kind.TypeTag => 0,
        _ => null,
    };

    private static Kind KindOf(ReadOnlySpan<byte> type) => (Kind)(type[7] & 0x1f);

    private static int CountOf(ReadOnlySpan<byte> type) => BinaryPrimitives.ReadUInt16LittleEndian(type[4..]);

    /// <summary>Whether a type or member, which both begin with the place of their name, has this one.</summary>
    private bool IsNamed(ReadOnlySpan<byte> entry, ReadOnlySpan<byte> name)
    {
        var place = BinaryPrimitives.ReadUInt32LittleEndian(entry);
        var names = _names.Span;
        return place < names.Length
            && names.Length - (int)place > name.Length
            && names.Slice((int)place, name.Length).SequenceEqual(name)
            && names[(int)place + name.Length] == 0;
    }
}
