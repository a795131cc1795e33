namespace CniIsolator.Exporter.Kubernetes;

/// <summary>Names of extended resources: <c>DOMAIN/NAME</c>, as the API server takes them.</summary>
internal static class ResourceName
{
    /// <summary>A domain that nobody can own, so that it is nobody's but ours.</summary>
    public const string Default = "portmap-isolate/slices";

    private const int LongestDomain = 253;
    private const int LongestName = 63;

    /// <summary>What is wrong with it, or null.</summary>
    public static string? FindFault(string text)
    {
        var slash = text.IndexOf('/');
        var (domain, name) = slash < 0 ? ("", text) : (text[..slash], text[(slash + 1)..]);
        return slash < 0 ? "expected DOMAIN/NAME, such as " + Default
            : domain == "kubernetes.io" || domain.EndsWith(".kubernetes.io", StringComparison.Ordinal) ? "kubernetes.io is Kubernetes' own"
            : text.StartsWith("requests.", StringComparison.Ordinal) ? "\"requests.\" is for quotas"
            : domain.Length > LongestDomain || !AreLabels(domain) ? $"\"{domain}\" is not a domain in small letters"
            : name.Length > LongestName || !IsLabel(name, "-_.", capitals: true) ? $"\"{name}\" is not up to {LongestName} letters, digits, '-', '_' and '.'"
            : null;
    }

    private static bool AreLabels(string domain)
    {
        foreach (var label in domain.Split('.'))
        {
            if (!IsLabel(label, "-", capitals: false))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsLabel(string text, string inside, bool capitals)
    {
        if (text.Length == 0 || inside.Contains(text[0], StringComparison.Ordinal) || inside.Contains(text[^1], StringComparison.Ordinal))
        {
            return false;
        }

        foreach (var letter in text)
        {
            if (!(char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || (capitals && char.IsAsciiLetterUpper(letter))
                || inside.Contains(letter, StringComparison.Ordinal)))
            {
                return false;
            }
        }

        return true;
    }
}
