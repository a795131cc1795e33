using System.Runtime.CompilerServices;
using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]
[assembly: InternalsVisibleTo("CniIsolator.Netlink")]
[assembly: InternalsVisibleTo("Linux.Tests")]
