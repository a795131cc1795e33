using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>Files in notations that .NET has no reader of, by Python's.</summary>
internal static class ParsedFile
{
    private static readonly ConcurrentDictionary<(string, string), string> Known = new();

    /// <summary>All documents of a YAML file, by Debian's python3-yaml.</summary>
    public static JsonObject[] Yaml(string name) =>
        [.. Parse("import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))", name).AsArray().Select(one => one!.AsObject())];

    /// <summary>A TOML file, by Python's own reader.</summary>
    public static JsonObject Toml(string name) => Parse("import json, sys, tomllib; print(json.dumps(tomllib.load(open(sys.argv[1], 'rb'))))", name).AsObject();

    // Debian's, as that has Debian's packages.
    private static JsonNode Parse(string program, string name) => JsonNode.Parse(
        Known.GetOrAdd((program, name), static key => CommandResult.Run("/usr/bin/python3", "-c", key.Item1, ConfFile.PathOf(key.Item2)).Require()))!;
}
