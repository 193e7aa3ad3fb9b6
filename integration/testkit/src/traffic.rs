//! Packets: pings, echo servers, and a witness of where a packet left.

pub(crate) mod capture;
pub(crate) mod echo;
pub(crate) mod ping;
pub(crate) mod router;
