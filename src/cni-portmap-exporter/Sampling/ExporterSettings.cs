using CniIsolator.Exporter.Sockets;

namespace CniIsolator.Exporter.Sampling;

/// <summary>What is sampled beyond what is always.</summary>
/// <param name="Sockets">Of containers' sockets.</param>
/// <param name="Snmp">All that the kernel counts of IP, ICMP, TCP and UDP.</param>
internal sealed record ExporterSettings(SocketDetail Sockets = SocketDetail.None, bool Snmp = false);
