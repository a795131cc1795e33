namespace CniIsolator.Fuzz;

/// <summary>Something that takes input from outside: whatever comes, it yields a result or its own kind of error.</summary>
public abstract class Target
{
    /// <summary>What --target names it.</summary>
    public abstract string Name { get; }

    /// <summary>Inputs that it accepts, which mutations start from.</summary>
    public abstract IReadOnlyList<byte[]> Seeds { get; }

    /// <summary>Words of its language, which mutations put in.</summary>
    public abstract IReadOnlyList<string> Words { get; }

    /// <summary>Inputs at the edges of what there can be, each tried once in every campaign.</summary>
    public virtual IEnumerable<byte[]> Extremes => [];

    /// <summary>Share of a campaign's inputs: what costs more gets fewer.</summary>
    public abstract int Weight { get; }

    /// <summary>Tries one input.</summary>
    /// <param name="input">The bytes.</param>
    /// <param name="random">For what else varies; the same for the same input of a campaign.</param>
    /// <exception cref="WrongOutcomeException">A promise was broken. Any other exception is one, too.</exception>
    public abstract void Try(byte[] input, Random random);

    /// <summary>Throws unless a promise was kept.</summary>
    protected static void Promise(bool kept, string what)
    {
        if (!kept)
        {
            throw new WrongOutcomeException(what);
        }
    }
}

/// <summary>A promise that does not hold for an input.</summary>
public sealed class WrongOutcomeException(string message) : Exception(message);
