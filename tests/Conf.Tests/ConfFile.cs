using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>The files that operators are given.</summary>
internal static class ConfFile
{
    public static string PathOf(string name) => Path.Combine(Repository.Root, "conf", name);

    public static string Read(string name) => File.ReadAllText(PathOf(name));
}
