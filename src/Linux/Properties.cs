using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("CniIsolator.Netlink")]
[assembly: InternalsVisibleTo("Linux.Tests")]
