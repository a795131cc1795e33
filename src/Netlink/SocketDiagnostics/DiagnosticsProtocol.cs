using System.Runtime.InteropServices;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.SocketDiagnostics;

/// <summary>struct inet_diag_sockid of linux/inet_diag.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct SocketIdentity
{
    public ushort SourcePort; // idiag_sport, network order
    public ushort DestinationPort; // idiag_dport, network order
    public fixed byte Source[16]; // idiag_src
    public fixed byte Destination[16]; // idiag_dst
    public uint Interface; // idiag_if
    public uint CookieLow; // idiag_cookie[0]
    public uint CookieHigh; // idiag_cookie[1]
}

/// <summary>struct inet_diag_req_v2 of linux/inet_diag.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct DiagnosticsRequest
{
    public AddressFamily Family; // sdiag_family
    public byte Protocol; // sdiag_protocol
    public byte Extensions; // idiag_ext
    public byte Padding; // pad
    public uint States; // idiag_states: a bit for each TCP state
    public SocketIdentity Identity; // id
}

/// <summary>struct inet_diag_req of linux/inet_diag.h: of Linux before 3.3, and still answered.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct OldDiagnosticsRequest
{
    public AddressFamily Family; // idiag_family: not looked at when all sockets are asked for
    public byte SourceLength; // idiag_src_len
    public byte DestinationLength; // idiag_dst_len
    public byte Extensions; // idiag_ext
    public SocketIdentity Identity; // id
    public uint States; // idiag_states: a bit for each TCP state
    public uint Tables; // idiag_dbs
}

/// <summary>struct inet_diag_msg of linux/inet_diag.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct DiagnosticsMessage
{
    public AddressFamily Family; // idiag_family
    public byte State; // idiag_state
    public byte Timer; // idiag_timer
    public byte Retransmits; // idiag_retrans
    public SocketIdentity Identity; // id
    public uint Expires; // idiag_expires
    public uint ReceiveQueue; // idiag_rqueue
    public uint SendQueue; // idiag_wqueue
    public uint Owner; // idiag_uid
    public uint Inode; // idiag_inode
}

/// <summary>Attributes of a socket; a request has the bit <c>1 &lt;&lt; (attribute - 1)</c>. Source: linux/inet_diag.h.</summary>
public enum DiagnosticsAttribute : ushort
{
    Information = 2, // INET_DIAG_INFO
}

/// <summary>States of a TCP socket. Source: net/tcp_states.h, netinet/tcp.h.</summary>
public enum TcpState : byte
{
    Established = 1, // TCP_ESTABLISHED
    SynSent = 2, // TCP_SYN_SENT
    SynReceived = 3, // TCP_SYN_RECV
    FinWait1 = 4, // TCP_FIN_WAIT1
    FinWait2 = 5, // TCP_FIN_WAIT2
    TimeWait = 6, // TCP_TIME_WAIT
    Closed = 7, // TCP_CLOSE
    CloseWait = 8, // TCP_CLOSE_WAIT
    LastAcknowledgement = 9, // TCP_LAST_ACK
    Listen = 10, // TCP_LISTEN
    Closing = 11, // TCP_CLOSING
}

/// <summary>The begin of struct tcp_info of linux/tcp.h: what every kernel has.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct TcpInformation
{
    public TcpState State; // tcpi_state
    public fixed byte Counts[7]; // tcpi_ca_state: retransmits, probes, backoff, options and window scales follow it
    public uint RetransmissionTimeout; // tcpi_rto, microseconds
    public uint AcknowledgementTimeout; // tcpi_ato, microseconds
    public uint SendSegmentSize; // tcpi_snd_mss, bytes
    public uint ReceiveSegmentSize; // tcpi_rcv_mss, bytes
    public uint Unacknowledged; // tcpi_unacked, segments
    public uint SelectivelyAcknowledged; // tcpi_sacked, segments
    public uint Lost; // tcpi_lost, segments
    public uint Retransmitted; // tcpi_retrans, segments that are on their way
    public uint ForwardAcknowledged; // tcpi_fackets
    public uint SinceDataSent; // tcpi_last_data_sent, milliseconds
    public uint SinceAcknowledgementSent; // tcpi_last_ack_sent
    public uint SinceDataReceived; // tcpi_last_data_recv, milliseconds
    public uint SinceAcknowledgementReceived; // tcpi_last_ack_recv, milliseconds
    public uint PathMtu; // tcpi_pmtu, bytes
    public uint ReceiveThreshold; // tcpi_rcv_ssthresh, bytes
    public uint RoundTrip; // tcpi_rtt, smoothed, microseconds
    public uint RoundTripVariation; // tcpi_rttvar, microseconds
    public uint SendThreshold; // tcpi_snd_ssthresh, segments
    public uint CongestionWindow; // tcpi_snd_cwnd, segments
    public uint AdvertisedSegmentSize; // tcpi_advmss, bytes
    public uint Reordering; // tcpi_reordering, segments
    public uint ReceiveRoundTrip; // tcpi_rcv_rtt, microseconds
    public uint ReceiveSpace; // tcpi_rcv_space, bytes
    public uint TotalRetransmitted; // tcpi_total_retrans, segments since the connection began
}
