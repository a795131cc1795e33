global using System.Net;
global using CniIsolator.Testbed;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// Each test has a network of its own, and looks at the packets and counters of that alone.
[assembly: CollectionBehavior(MaxParallelThreads = 3)]
