using Xunit.Abstractions;

namespace CniIsolator.FullKernel.Tests;

/// <summary>
/// Tests that take modules out of the kernel come before all others: a connection that was cut off keeps its namespace, and all
/// modules that are used there, for minutes after the test that made it.
/// </summary>
public sealed class ModulesFirst : ITestCollectionOrderer
{
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderByDescending(one => one.DisplayName.Contains(nameof(MissingFeatureTests), StringComparison.Ordinal));
}
