//! Counters of RDMA ports: files of sysfs, and what they are called. Where `node_exporter` has a counter, its name is this one with
//! `node_` in front in place of `railcni_`.

/// A file below `ports/N/`, its name, what one count stands for, and its meaning.
pub(crate) type Counter = (&'static str, &'static str, u64, &'static str);

/// Data is counted in words of four bytes.
const WORD: u64 = 4;

pub(crate) const COUNTERS: [Counter; 28] = [
    ("counters/port_rcv_data", "port_data_received_bytes", WORD, "Bytes that the RDMA port received"),
    ("counters/port_xmit_data", "port_data_transmitted_bytes", WORD, "Bytes that the RDMA port sent"),
    ("counters/port_rcv_packets", "port_packets_received", 1, "Packets that the RDMA port received"),
    ("counters/port_xmit_packets", "port_packets_transmitted", 1, "Packets that the RDMA port sent"),
    (
        "counters/port_rcv_errors",
        "port_errors_received",
        1,
        "Packets with errors that the RDMA port received",
    ),
    (
        "counters/port_xmit_discards",
        "port_discards_transmitted",
        1,
        "Packets that the RDMA port could not send",
    ),
    ("counters/port_xmit_wait", "port_transmit_wait", 1, "Ticks in which data waited and nothing was sent"),
    ("counters/link_downed", "link_downed", 1, "How often the link went down"),
    ("counters/link_error_recovery", "link_error_recovery", 1, "How often the link recovered from an error"),
    ("counters/symbol_error", "symbol_error", 1, "Symbol errors on the link"),
    ("hw_counters/out_of_sequence", "out_of_sequence_packets_received", 1, "Packets that came out of order"),
    ("hw_counters/packet_seq_err", "packet_sequence_errors", 1, "Sequence errors that the other end told of"),
    ("hw_counters/duplicate_request", "duplicate_requests_packets", 1, "Requests that came twice"),
    ("hw_counters/implied_nak_seq_err", "implied_nak_seq_errors", 1, "Answers with a hole before them"),
    (
        "hw_counters/local_ack_timeout_err",
        "local_ack_timeout_errors",
        1,
        "Acknowledgements that did not come in time",
    ),
    (
        "hw_counters/rnr_nak_retry_err",
        "rnr_nak_retry_packets_received",
        1,
        "Words that the receiver was not ready",
    ),
    ("hw_counters/out_of_buffer", "out_of_buffer_drops", 1, "Packets dropped for want of a posted receive"),
    ("hw_counters/np_cnp_sent", "np_cnp_packets_sent", 1, "Congestion notifications sent as the receiver"),
    (
        "hw_counters/np_ecn_marked_roce_packets",
        "np_ecn_marked_roce_packets_received",
        1,
        "Packets received that a switch marked as congested",
    ),
    (
        "hw_counters/rp_cnp_handled",
        "rp_cnp_packets_handled",
        1,
        "Congestion notifications obeyed as the sender",
    ),
    (
        "hw_counters/rp_cnp_ignored",
        "rp_cnp_ignored_packets_received",
        1,
        "Congestion notifications not obeyed",
    ),
    ("hw_counters/roce_adp_retrans", "roce_adp_retransmits", 1, "Adaptive retransmissions"),
    (
        "hw_counters/roce_adp_retrans_to",
        "roce_adp_retransmits_timeout",
        1,
        "Adaptive retransmissions after a timeout",
    ),
    ("hw_counters/roce_slow_restart", "roce_slow_restart_used", 1, "How often slow restart was used"),
    ("hw_counters/req_cqe_error", "req_cqes_errors", 1, "Completions with errors as the requester"),
    ("hw_counters/resp_cqe_error", "resp_cqes_errors", 1, "Completions with errors as the responder"),
    (
        "hw_counters/req_transport_retries_exceeded",
        "req_transport_retries_exceeded",
        1,
        "Requests given up after the last retry",
    ),
    (
        "hw_counters/rx_icrc_encapsulated",
        "rx_icrc_encapsulated_errors",
        1,
        "RoCE packets with a wrong checksum",
    ),
];
