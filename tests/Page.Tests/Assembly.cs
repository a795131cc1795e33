[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// One browser, used by one test after another.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
