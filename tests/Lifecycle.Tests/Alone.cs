namespace CniIsolator.Lifecycle.Tests;

/// <summary>Tests that start as many processes as the machine can bear, when all others have ended.</summary>
[CollectionDefinition("alone", DisableParallelization = true)]
public sealed class Alone;
