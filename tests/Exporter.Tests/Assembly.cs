[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// Two processors and real packets: one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
