namespace CniIsolator.Testbed;

/// <summary>Finds the repository that the tests were built from.</summary>
public static class Repository
{
    /// <summary>The directory with the solution.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (DirectoryInfo? place = new(AppContext.BaseDirectory); place != null; place = place.Parent)
        {
            if (File.Exists(Path.Combine(place.FullName, "CniIsolator.sln")))
            {
                return place.FullName;
            }
        }

        throw new DirectoryNotFoundException($"no CniIsolator.sln above {AppContext.BaseDirectory}");
    }
}
