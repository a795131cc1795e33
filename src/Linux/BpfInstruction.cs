namespace CniIsolator.Linux;

/// <summary>
/// The instructions of the kernel's BPF machine that are in use. Register 0 has results, 1 to 5 arguments, which a call destroys, 6 to 9 are kept,
/// 10 is the end of the stack. Source: Documentation/bpf/standardization/instruction-set.rst.
/// </summary>
internal static class BpfInstruction
{
    public const int Stack = 10;

    public static ulong Exit => Encode(0x95);

    /// <summary>A function of the kernel's, by its number in linux/bpf.h.</summary>
    public static ulong Call(int function) => Encode(0x85, immediate: function);

    public static ulong Set(int register, int value) => Encode(0xb7, register, immediate: value);

    public static ulong Copy(int register, int from) => Encode(0xbf, register, from);

    public static ulong Add(int register, int value) => Encode(0x07, register, immediate: value);

    public static ulong Subtract(int register, int from) => Encode(0x1f, register, from);

    public static ulong And(int register, int value) => Encode(0x57, register, immediate: value);

    public static ulong ShiftLeft(int register, int bits) => Encode(0x67, register, immediate: bits);

    public static ulong ShiftRight(int register, int bits) => Encode(0x77, register, immediate: bits);

    public static ulong Load8(int register, int address, int offset) => Encode(0x71, register, address, offset);

    public static ulong Load16(int register, int address, int offset) => Encode(0x69, register, address, offset);

    public static ulong Load32(int register, int address, int offset) => Encode(0x61, register, address, offset);

    public static ulong Load64(int register, int address, int offset) => Encode(0x79, register, address, offset);

    /// <summary>Passes over the next instructions if a register has a value.</summary>
    public static ulong SkipIf(int register, int value, int instructions) => Encode(0x15, register, 0, instructions, value);

    /// <summary>Passes over the next instructions if two registers are equal.</summary>
    public static ulong SkipIfEqual(int register, int other, int instructions) => Encode(0x1d, register, other, instructions);

    /// <summary>Passes over the next instructions if a register, taken as signed, is at least a value.</summary>
    public static ulong SkipIfAtLeast(int register, int value, int instructions) => Encode(0x75, register, 0, instructions, value);

    private static ulong Encode(byte operation, int destination = 0, int source = 0, int offset = 0, int immediate = 0) =>
        operation | (ulong)destination << 8 | (ulong)source << 12 | (ulong)(ushort)offset << 16 | (ulong)(uint)immediate << 32;
}
