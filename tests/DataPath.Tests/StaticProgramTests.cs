using System.Buffers.Binary;

namespace CniIsolator.DataPath.Tests;

/// <summary>The program is one file: it needs no library and starts no other program.</summary>
public sealed class StaticProgramTests
{
    [Fact]
    public void The_file_asks_for_no_interpreter_and_no_library()
    {
        const uint Dynamic = 2;
        const uint Interpreter = 3;
        const ulong Needed = 1;
        byte[] elf = File.ReadAllBytes(Plugin.DefaultBinary);
        Assert.Equal([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1], elf[..6]);
        int table = (int)BinaryPrimitives.ReadUInt64LittleEndian(elf.AsSpan(32));
        int size = BinaryPrimitives.ReadUInt16LittleEndian(elf.AsSpan(54));
        int count = BinaryPrimitives.ReadUInt16LittleEndian(elf.AsSpan(56));
        Assert.InRange(count, 1, 100);
        for (int index = 0; index < count; index++)
        {
            ReadOnlySpan<byte> header = elf.AsSpan(table + (index * size), size);
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(header);
            Assert.NotEqual(Interpreter, type);
            if (type == Dynamic)
            {
                int start = (int)BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
                int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
                for (int entry = start; entry < start + length; entry += 16)
                {
                    Assert.NotEqual(Needed, BinaryPrimitives.ReadUInt64LittleEndian(elf.AsSpan(entry)));
                }
            }
        }
    }

    [Fact]
    public void Running_it_opens_no_library_and_starts_no_program()
    {
        using Topology topology = new();
        string trace = Path.Combine(topology.StateDirectory, "trace");
        string wrapper = Path.Combine(topology.StateDirectory, "traced");
        bool traced = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(place => File.Exists(Path.Combine(place, "strace")));
        File.WriteAllText(wrapper, $"#!/bin/sh\nexec strace -f -A -o {trace} -e trace=open,openat,openat2,execve,execveat {Plugin.DefaultBinary} \"$@\"\n");
        File.SetUnixFileMode(wrapper, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Plugin plugin = new(topology, binary: traced ? wrapper : null);
        Namespace container = topology.AddContainerNamespace();
        plugin.Version().Require();
        plugin.Add(container, "c1").Require();
        plugin.Del(container, "c1").Require();
        if (traced)
        {
            string[] lines = File.ReadAllLines(trace);
            Assert.Contains(lines, line => line.Contains("plugin.log", StringComparison.Ordinal));
            Assert.Equal(3, lines.Count(line => line.Contains("execve(", StringComparison.Ordinal)));
            Assert.DoesNotContain(lines, line => line.Contains("execveat", StringComparison.Ordinal) || line.Contains(".so\"", StringComparison.Ordinal) || line.Contains(".so.", StringComparison.Ordinal));
        }
    }
}
