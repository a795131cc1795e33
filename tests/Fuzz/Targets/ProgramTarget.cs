using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace CniIsolator.Fuzz;

/// <summary>
/// The program itself with the inputs of <see cref="CallTarget"/>, in a host without interfaces: one result or one error document, no
/// crash, and never more than 64 MB or a second of processor time.
/// </summary>
public sealed class ProgramTarget : Target
{
    private const int MostKilobytes = 64 * 1024;
    private const double MostSeconds = 1;

    // As a runtime has it that reads replies into a buffer; CHECK's list of differences does not come up without a container.
    private const int LongestReply = 4096;

    private static readonly string[] Commands = ["ADD", "DEL", "CHECK", "GC", "STATUS"];
    private static readonly CallTarget Call = new();

    public override string Name => "program";

    public override int Weight => 1;

    public override IReadOnlyList<byte[]> Seeds => Call.Seeds;

    public override IReadOnlyList<string> Words => Call.Words;

    public override IEnumerable<byte[]> Extremes => Call.Extremes;

    public override void Try(byte[] input, Random random)
    {
        Sandbox.Enter();
        var command = Commands[random.Next(Commands.Length)];
        var costs = Path.GetTempFileName();
        try
        {
            using var program = Start(command, costs);
            var stdout = ReadAll(program.StandardOutput.BaseStream);
            var stderr = ReadAll(program.StandardError.BaseStream);
            try
            {
                program.StandardInput.BaseStream.Write(input);
                program.StandardInput.Close();
            }
            catch (IOException)
            {
                // It need not read all of what is too long.
            }

            if (!program.WaitForExit(TimeSpan.FromSeconds(30)))
            {
                program.Kill(entireProcessTree: true);
                throw new WrongOutcomeException($"{command} does not end");
            }

            var complaint = Encoding.UTF8.GetString(stderr.Result);
            Promise(!complaint.Contains("Exception", StringComparison.Ordinal) && complaint.Length <= LongestReply, $"{command} wrote to stderr: {complaint}");

            // Without host and container: 50 and 51 of STATUS, 103 no namespace, 105 a store in a place that cannot hold one.
            Reply.Check(command, program.ExitCode, stdout.Result, LongestReply, "", 50, 51, 103, 105);
            var cost = File.ReadAllText(costs).Split(' ').Select(n => double.Parse(n, CultureInfo.InvariantCulture)).ToArray();
            Promise(cost[0] <= MostKilobytes, $"{command} took {cost[0]} KB");
            Promise(cost[1] + cost[2] <= MostSeconds, $"{command} took {cost[1] + cost[2]} s of processor time");
        }
        finally
        {
            File.Delete(costs);
        }
    }

    /// <summary>By way of time(1), which alone tells how much memory a process had at most.</summary>
    private static Process Start(string command, string costs)
    {
        var start = new ProcessStartInfo("/usr/bin/time", ["--quiet", "--format", "%M %U %S", "--output", costs, Sandbox.Program])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        start.Environment["CNI_COMMAND"] = command;
        start.Environment["CNI_CONTAINERID"] = "fuzz";
        start.Environment["CNI_NETNS"] = "/run/netns/none";
        start.Environment["CNI_IFNAME"] = "eth0";
        start.Environment["CNI_PATH"] = "/opt/cni/bin";
        return Process.Start(start)!;
    }

    private static Task<byte[]> ReadAll(Stream stream) => Task.Run(() =>
    {
        using var all = new MemoryStream();
        stream.CopyTo(all);
        return all.ToArray();
    });
}
