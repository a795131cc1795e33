global using System.Net;
global using CniIsolator.Testbed;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// The guest has one processor, and counters are compared: one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

[assembly: TestCollectionOrderer("CniIsolator.FullKernel.Tests.ModulesFirst", "CniIsolator.FullKernel.Tests")]
