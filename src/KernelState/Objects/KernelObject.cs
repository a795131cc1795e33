namespace CniIsolator.KernelState.Objects;

/// <summary>Which network namespace an object is in.</summary>
public enum Place
{
    /// <summary>The namespace whose address is shared.</summary>
    Host,

    /// <summary>The container's own.</summary>
    Container,
}

/// <summary>What tells objects of one namespace from each other: two with equal keys stand for the same thing in the kernel.</summary>
/// <param name="Kind">Which sort of object.</param>
/// <param name="Where">A value that is unique within the sort, compared by content.</param>
public readonly record struct ObjectKey(string Kind, object Where);

/// <summary>One thing about an object that can be otherwise than planned.</summary>
/// <param name="Name">What it is called in texts; empty for an object that has only one.</param>
/// <param name="Value">As it is compared, and shown.</param>
public readonly record struct ObjectAttribute(string Name, string Value);

/// <summary>
/// One thing in the kernel, as a value: made, changed, compared and removed from this one description. A plan has those that should be there, an
/// observation returns those that are.
/// </summary>
public abstract record KernelObject
{
    public required Place Place { get; init; }

    /// <summary>What it is in its namespace.</summary>
    public abstract ObjectKey Key { get; }

    /// <summary>What texts call it.</summary>
    public abstract string Subject { get; }

    /// <summary>Everything about it that counts: what is not listed may be as it likes.</summary>
    public abstract IReadOnlyList<ObjectAttribute> Attributes { get; }

    /// <summary>
    /// Whether another process may be making the same just now, or it may be there already: then the kernel's refusal for that reason is success.
    /// </summary>
    public bool MayExist { get; init; }

    /// <summary>Whether a kernel that does not know this sort of object does without.</summary>
    public bool IsOptional { get; init; }

    /// <summary>Whether it is made, changed and removed by a netlink message, so that it goes into the same batch as its neighbours.</summary>
    public virtual bool IsMessage => true;

    /// <summary>What the object is, in one line, for a text that misses it.</summary>
    public virtual string Description => string.Join(", ", Attributes.Select(a => a.Name.Length == 0 ? a.Value : $"{a.Name} {a.Value}"));

    /// <summary>Rank of what carries all else.</summary>
    public const int RankOfLinks = 4;

    /// <summary>Removal goes by ascending rank: what leads to something goes before it.</summary>
    public virtual int RemovalRank => 0;

    /// <summary>What is otherwise than it should be.</summary>
    /// <param name="found">The object of the same key that the kernel has; null for none.</param>
    public virtual IEnumerable<Difference> Compare(KernelObject? found)
    {
        if (found is null)
        {
            yield return new Difference(Subject, Description, "none");
            yield break;
        }

        foreach (var attribute in Attributes)
        {
            var actual = found.Attributes.FirstOrDefault(a => a.Name == attribute.Name).Value ?? "none";
            if (actual != attribute.Value)
            {
                yield return new Difference(attribute.Name.Length == 0 ? Subject : $"{attribute.Name} of {Subject}", attribute.Value, actual);
            }
        }
    }

    /// <summary>Whether one that is otherwise can be changed as it stands; else it is removed and made again.</summary>
    public virtual bool CanChange(KernelObject found) => false;

    /// <summary>Whether it goes with another one, or stands in the way of its going.</summary>
    public virtual bool FallsWith(KernelObject other) => false;

    /// <summary>Whether it is on a device, or leads to it: without the device it cannot be.</summary>
    public virtual bool Needs(int device) => false;

    /// <summary>Makes it, in a namespace that has none of its key.</summary>
    internal abstract void Create(ChangeContext context);

    /// <summary>Gives it the planned attributes where it is there with others.</summary>
    internal virtual void Change(ChangeContext context) => throw new NotSupportedException($"{Subject} cannot be changed");

    /// <summary>Removes it; its absence is success.</summary>
    internal abstract void Delete(ChangeContext context);
}

/// <summary>Something that is otherwise than it should be.</summary>
/// <param name="Subject">What.</param>
/// <param name="Expected">What it should be.</param>
/// <param name="Found">What it is.</param>
public sealed record Difference(string Subject, string Expected, string Found)
{
    public override string ToString() => $"{Subject}: expected {Expected}, found {Found}";
}
