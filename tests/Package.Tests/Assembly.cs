[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// Compilers, lintian and dpkg are busy enough by themselves.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
