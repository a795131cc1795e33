using System.Globalization;
using System.Text;

namespace CniIsolator.Exporter.Snmp;

/// <summary>Reads /proc/net/snmp: for each table a line of names and a line of values, both beginning with the table's name.</summary>
internal static class SnmpParser
{
    /// <summary>
    /// What of it is known. A table whose two lines do not fit together, or have a value that is no number, is left out, and the others
    /// stand; so are fields and tables of other names.
    /// </summary>
    public static SnmpSample Parse(ReadOnlySpan<byte> text)
    {
        var sample = new SnmpSample();
        var names = NextLine(ref text);
        while (!text.IsEmpty)
        {
            var values = NextLine(ref text);
            var table = TableOf(names);
            if (table is not null && TableOf(values) == table)
            {
                if (!TryRead(table, names, values, sample))
                {
                    sample.Clear(table);
                }

                values = NextLine(ref text);
            }

            names = values;
        }

        return sample;
    }

    private static bool TryRead(SnmpTable table, ReadOnlySpan<byte> names, ReadOnlySpan<byte> values, SnmpSample sample)
    {
        NextWord(ref names);
        NextWord(ref values);
        var expected = 0;
        while (true)
        {
            var name = NextWord(ref names);
            var value = NextWord(ref values);
            if (name.IsEmpty || value.IsEmpty)
            {
                return name.IsEmpty && value.IsEmpty;
            }

            if (!long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            // Mostly the next one; kernels differ in a few.
            var field = expected < table.Fields.Length && Ascii.Equals(name, table.Fields[expected]) ? expected : IndexOf(table.Fields, name);
            if (field >= 0)
            {
                sample.Set(table.First + field, number);
                expected = field + 1;
            }
        }
    }

    private static int IndexOf(string[] fields, ReadOnlySpan<byte> name)
    {
        for (var i = 0; i < fields.Length; i++)
        {
            if (Ascii.Equals(name, fields[i]))
            {
                return i;
            }
        }

        return -1;
    }

    private static SnmpTable? TableOf(ReadOnlySpan<byte> line)
    {
        var colon = line.IndexOf((byte)':');
        foreach (var table in SnmpTable.All)
        {
            if (colon > 0 && Ascii.Equals(line[..colon], table.Name))
            {
                return table;
            }
        }

        return null;
    }

    private static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> text) => Cut(ref text, (byte)'\n');

    private static ReadOnlySpan<byte> NextWord(ref ReadOnlySpan<byte> line)
    {
        line = line.TrimStart((byte)' ');
        return Cut(ref line, (byte)' ');
    }

    private static ReadOnlySpan<byte> Cut(ref ReadOnlySpan<byte> text, byte separator)
    {
        var end = text.IndexOf(separator);
        var part = end < 0 ? text : text[..end];
        text = end < 0 ? default : text[(end + 1)..];
        return part;
    }
}
