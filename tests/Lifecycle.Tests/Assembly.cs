[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// Each test has namespaces and a store of its own, and waits for the kernel most of the time. What uses all processors by itself is in the collection "alone".
[assembly: CollectionBehavior(MaxParallelThreads = 4)]
