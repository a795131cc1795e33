using CniIsolator.Exporter.Rates;
using CniIsolator.Exporter.Sockets;

namespace CniIsolator.Exporter.Sampling;

/// <summary>What is sampled beyond what is always.</summary>
/// <param name="Sockets">Of containers' sockets.</param>
/// <param name="Snmp">All that the kernel counts of IP, ICMP, TCP and UDP.</param>
/// <param name="Ports">What each port range received.</param>
/// <param name="Rates">Percentiles of rates; null for none.</param>
internal sealed record ExporterSettings(SocketDetail Sockets = SocketDetail.None, bool Snmp = false, bool Ports = false, RateSettings? Rates = null);
