[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// Each test uses all processors by itself.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
