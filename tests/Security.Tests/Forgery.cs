using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>Where a frame that a container sends may turn up.</summary>
[Flags]
public enum Places
{
    None = 0,

    /// <summary>Outside, on the host's link.</summary>
    Wire = 1,

    /// <summary>On the host's loopback device.</summary>
    Loopback = 2,

    /// <summary>In a neighbour container, coming in.</summary>
    Neighbour = 4,

    /// <summary>In the host's own stack, for whatever socket there is.</summary>
    Host = 8,

    /// <summary>On the link behind the host, which it forwards for.</summary>
    Transit = 16,
}

/// <summary>A frame that a container's root sends by a packet socket.</summary>
/// <param name="Name">What is wrong with it.</param>
/// <param name="Frame">All its bytes.</param>
/// <param name="Allowed">Where it turns up, and nowhere else.</param>
/// <param name="Mark">By which it is known; in the frame.</param>
public sealed record Forgery(string Name, byte[] Frame, Places Allowed, Mark Mark);
