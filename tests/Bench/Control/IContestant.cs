using CniIsolator.Testbed;

namespace CniIsolator.Bench.Control;

/// <summary>Something that connects containers, on a host of its own.</summary>
internal interface IContestant
{
    string Name { get; }

    Topology Topology { get; }

    /// <summary>Connects the container, and returns the milliseconds that took.</summary>
    double Add(int number, Namespace container);

    /// <summary>Disconnects it again. The namespace stays, as when a runtime calls DEL before it takes the namespace down.</summary>
    double Delete(int number, Namespace container);
}
