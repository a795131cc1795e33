namespace CniIsolator.Ipam;

/// <summary>Where and when an attachment was made: elsewhere, none of its numbers mean anything.</summary>
/// <param name="BootId">/proc/sys/kernel/random/boot_id when the record was made.</param>
/// <param name="Netns">"dev:inode" of the network namespace that the plugin ran in.</param>
public sealed record HostReference(string BootId, string Netns);
