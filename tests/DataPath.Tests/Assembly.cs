global using System.Net;
global using CniIsolator.Testbed;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// Real packets and counters: one test at a time keeps the others' traffic out of a result.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
