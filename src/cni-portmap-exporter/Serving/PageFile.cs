using System.Globalization;

namespace CniIsolator.Exporter.Serving;

/// <summary>A part of the page for people. All are in the program itself: the page needs nothing from elsewhere.</summary>
/// <param name="ContentType">Its media type.</param>
/// <param name="Content">Its bytes.</param>
/// <param name="Tag">An entity tag (RFC 9110, 8.8.3) that changes with the content, quotes included.</param>
internal sealed record PageFile(string ContentType, byte[] Content, string Tag)
{
    /// <summary>
    /// Nothing but what this server serves is run, shown or asked, and no other site may frame it: names of containers are chosen by others,
    /// and this is the second line of defence. https://www.w3.org/TR/CSP3/
    /// </summary>
    public const string SecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private const string Script = "text/javascript; charset=utf-8";

    // Read when first asked for: an exporter that only Prometheus asks never holds them.
    private static readonly Dictionary<string, Lazy<PageFile>> Files = new()
    {
        ["/"] = Resource("page.html", "text/html; charset=utf-8"),
        ["/page/page.css"] = Resource("page.css", "text/css; charset=utf-8"),
        ["/page/page.js"] = Resource("page.js", Script),
        ["/page/table.js"] = Resource("table.js", Script),
        ["/page/row.js"] = Resource("row.js", Script),
        ["/page/details.js"] = Resource("details.js", Script),
        ["/page/sparkline.js"] = Resource("sparkline.js", Script),
        ["/page/text.js"] = Resource("text.js", Script),
        ["/page/icon.svg"] = Resource("icon.svg", "image/svg+xml"),
    };

    /// <summary>The part that is served at a path, or null.</summary>
    public static PageFile? Find(string? path) => path is not null && Files.TryGetValue(path, out var file) ? file.Value : null;

    private static Lazy<PageFile> Resource(string name, string contentType) => new(() =>
    {
        using var resource = typeof(PageFile).Assembly.GetManifestResourceStream("Page/" + name)!;
        var content = new byte[resource.Length];
        resource.ReadExactly(content);
        return new PageFile(contentType, content, $"\"{Fingerprint(content).ToString("x16", CultureInfo.InvariantCulture)}\"");
    });

    /// <summary>FNV-1a of 64 bits: two versions of a file must differ in it, nobody has to be kept from making two that do not.</summary>
    private static ulong Fingerprint(byte[] content)
    {
        var hash = 14695981039346656037;
        foreach (var b in content)
        {
            hash = (hash ^ b) * 1099511628211;
        }

        return hash;
    }
}
