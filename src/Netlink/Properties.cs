using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Netlink.Tests")]
