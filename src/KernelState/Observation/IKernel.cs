using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;

namespace CniIsolator.KernelState.Observation;

/// <summary>What is done with an object.</summary>
public enum ChangeKind
{
    /// <summary>Make it, where there is none.</summary>
    Create,

    /// <summary>Set it, where it is there with other attributes.</summary>
    Change,

    /// <summary>Remove it; its absence is success.</summary>
    Delete,

    /// <summary>Take a link down, so that nothing passes it.</summary>
    Close,
}

/// <summary>One step of a change.</summary>
/// <param name="Kind">What is done.</param>
/// <param name="Object">With what.</param>
public readonly record struct Change(ChangeKind Kind, KernelObject Object);

/// <summary>A step that the kernel refused.</summary>
/// <param name="Change">The step.</param>
/// <param name="Errno">Why.</param>
/// <param name="Exception">The same, to be thrown.</param>
public sealed record Refusal(Change Change, Errno Errno, IOException Exception);

/// <summary>What came of steps.</summary>
/// <param name="Refusals">Those that the kernel refused.</param>
/// <param name="Lacking">Optional objects of a sort that this kernel does not know.</param>
public sealed record Outcome(IReadOnlyList<Refusal> Refusals, IReadOnlyList<KernelObject> Lacking)
{
    public static readonly Outcome Done = new([], []);

    /// <exception cref="IOException">The first refusal, if there is one.</exception>
    public Outcome OrThrow() => Refusals.Count == 0 ? this : throw Refusals[0].Exception;

    /// <summary>Whether the kernel has no fq_codel, so that what waits behind a limit waits in a plain queue.</summary>
    public bool LacksQueue => Lacking.Any(o => o is QueueState);

    /// <summary>Whether the kernel has no filter for a program.</summary>
    public bool LacksProgram(ProgramRole role) => Lacking.Any(o => o is ProgramState program && program.Role == role);
}

/// <summary>
/// The kernel as one network namespace shows it. What it has is returned as the objects that plans are made of, so that whoever decides compares
/// like with like, and can be tried on a kernel that is a list.
/// </summary>
public interface IKernel
{
    /// <summary>What is there in the place of a planned object; null for nothing.</summary>
    /// <exception cref="IOException">The kernel does not say.</exception>
    KernelObject? Find(KernelObject planned);

    /// <summary>What is there of a territory, planned or not.</summary>
    /// <exception cref="IOException">The kernel does not say.</exception>
    IReadOnlyList<KernelObject> List(Territory territory);

    /// <summary>Takes steps, in their order. Those that are messages and stand side by side go to the kernel together.</summary>
    /// <exception cref="IOException">The kernel cannot be spoken to, or refuses a sysctl.</exception>
    Outcome Apply(IReadOnlyList<Change> changes);
}
