using System.Collections.Immutable;

namespace CniIsolator.Cni;

/// <summary>
/// CNI_ARGS, "K=V;K2=V2". All keys are kept in their order, known to the plugin or not. A part without "=" or without
/// a key says nothing and is skipped: the variable is optional data that must never make a call fail.
/// </summary>
public sealed class CniArgs
{
    public static readonly CniArgs Empty = new([]);

    private CniArgs(ImmutableArray<KeyValuePair<string, string>> pairs) => Pairs = pairs;

    /// <summary>Every pair, in the order given, repeated keys included.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Pairs { get; }

    /// <summary>The value of a key, the last one where it is repeated; null where it is absent. Case matters.</summary>
    public string? this[string key]
    {
        get
        {
            for (var i = Pairs.Length - 1; i >= 0; i--)
            {
                if (Pairs[i].Key == key)
                {
                    return Pairs[i].Value;
                }
            }

            return null;
        }
    }

    /// <summary>Never fails. A value may contain "=": the first one splits.</summary>
    public static CniArgs Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return Empty;
        }

        return new CniArgs(
        [
            .. from part in text.Split(';')
               let split = part.IndexOf('=', StringComparison.Ordinal)
               where split > 0
               select KeyValuePair.Create(part[..split], part[(split + 1)..]),
        ]);
    }
}
