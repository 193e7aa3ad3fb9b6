//! ARP and NDP packets on one link.
