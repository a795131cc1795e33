using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace CniIsolator.Run;

/// <summary>A trx file: what vstest writes of a project's tests.</summary>
public static class ResultFile
{
    private static readonly XNamespace Trx = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";

    /// <summary>The tests, and what the file says of a run that did not come to its end; null where it did.</summary>
    /// <exception cref="InvalidDataException">It is none, or only half of one.</exception>
    public static (List<TestOutcome> Tests, string? Aborted) Read(string path)
    {
        XDocument document;
        try
        {
            document = XDocument.Load(path);
        }
        catch (XmlException e)
        {
            throw new InvalidDataException($"{path} is no result file: {e.Message}", e);
        }

        if (document.Root?.Name != Trx + "TestRun")
        {
            throw new InvalidDataException($"{path} is no result file: its root is {document.Root?.Name}");
        }

        List<TestOutcome> tests = [.. document.Root.Elements(Trx + "Results").Elements(Trx + "UnitTestResult").Select(Outcome)];

        // Where a test fails xunit leaves such a note as well; what stands in vstest's own name is of the run itself.
        string? aborted = document.Root.Elements(Trx + "ResultSummary").Elements(Trx + "RunInfos").Elements(Trx + "RunInfo")
            .Where(info => (string?)info.Attribute("outcome") == "Error").Select(info => info.Element(Trx + "Text")?.Value.Trim() ?? "")
            .FirstOrDefault(text => !text.StartsWith("[xUnit.net", StringComparison.Ordinal));
        return (tests, aborted);
    }

    private static TestOutcome Outcome(XElement result) => new(
        (string?)result.Attribute("testName") ?? "a test without a name",
        (string?)result.Attribute("outcome") switch
        {
            "Passed" => Verdict.Passed,
            "NotExecuted" => Verdict.Skipped,
            _ => Verdict.Failed,
        },
        TimeSpan.TryParse((string?)result.Attribute("duration"), CultureInfo.InvariantCulture, out TimeSpan time) ? time : TimeSpan.Zero,
        result.Element(Trx + "Output")?.Element(Trx + "ErrorInfo")?.Element(Trx + "Message")?.Value.Trim() ?? "");
}
