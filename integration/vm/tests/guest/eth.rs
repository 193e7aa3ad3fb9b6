//! Eight Ethernet PFs with four VFs each.

mod attributes;
