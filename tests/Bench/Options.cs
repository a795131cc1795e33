using System.Globalization;

namespace CniIsolator.Bench;

/// <summary>What the command line asks for.</summary>
internal sealed record Options
{
    public const string Usage = """
        usage: bench --readme
               bench [--quick] [--only control|data|shaping|exporter] [--containers N] [--rounds N]
          --quick         a fifth of the repetitions, for a first look
          --only PART     control path (ADD and DEL), data path, bandwidth limits or scrapes of the exporter alone
          --containers N  containers of each contestant on the control path, default 60
          --rounds N      rounds of the data path, default 15
          --readme        measures nothing: puts the tables of the last run into README.md and docs/measured/
        """;

    public bool Quick { get; init; }

    public bool Control { get; init; } = true;

    public bool Data { get; init; } = true;

    public bool Shaping { get; init; } = true;

    public bool Exporter { get; init; } = true;

    /// <summary>Containers of each contestant on the control path.</summary>
    public int Containers { get; init; } = 60;

    /// <summary>Containers of the run that shows whether the plugin slows down as the host fills up.</summary>
    public int ManyContainers { get; init; } = 200;

    /// <summary>Rounds of the data path.</summary>
    public int Rounds { get; init; } = 15;

    /// <summary>Containers of the full host on the data path.</summary>
    public int FullHost { get; init; } = 500;

    /// <summary>Containers of the host whose ports netfilter translates: each takes seconds to add, so there are fewer.</summary>
    public int FullBridge { get; init; } = 100;

    /// <summary>Containers of each host whose exporter is scraped.</summary>
    public int Crowd { get; init; } = 300;

    /// <summary>Rounds of scrapes.</summary>
    public int ScrapeRounds { get; init; } = 20;

    /// <summary>Scrapes of each server in a round.</summary>
    public int Scrapes { get; init; } = 10;

    /// <summary>Null when the arguments are wrong.</summary>
    public static Options? Parse(string[] arguments)
    {
        Options options = new();
        for (int i = 0; i < arguments.Length; i++)
        {
            string? value = i + 1 < arguments.Length ? arguments[i + 1] : null;
            switch (arguments[i])
            {
                case "--quick":
                    options = options with { Quick = true, Containers = 12, ManyContainers = 60, Rounds = 3, FullHost = 100, FullBridge = 20, Crowd = 100, ScrapeRounds = 5 };
                    break;
                case "--only" when value is "control" or "data" or "shaping" or "exporter":
                    options = options with { Control = value == "control", Data = value == "data", Shaping = value == "shaping", Exporter = value == "exporter" };
                    i++;
                    break;
                case "--containers" when Number(value, 1, 300) is { } count:
                    options = options with { Containers = count };
                    i++;
                    break;
                case "--rounds" when Number(value, 1, 1000) is { } count:
                    options = options with { Rounds = count };
                    i++;
                    break;
                default:
                    return null;
            }
        }

        return options;
    }

    private static int? Number(string? text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most ? number : null;
}
