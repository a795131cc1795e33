[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// Two processors and real packets: one test at a time keeps the machine's own queues out of the results.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
