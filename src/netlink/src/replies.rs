//! Replies as bytes that nobody vouches for, as fuzzing has them.

use crate::message::Messages;
use crate::{addr, dcb, link, neigh, rdma, route, rule, vf};

/// Reads every message with every decoder, and says how often one made something of it.
#[must_use]
pub fn read(bytes: &[u8]) -> usize {
    let understood = Messages(bytes).flat_map(|message| {
        [
            message.acknowledgement().is_err(),
            message.done().is_err(),
            link::decode(&message).is_some(),
            addr::decode(&message).is_some(),
            route::decode(&message).is_some(),
            rule::decode(&message).is_some(),
            neigh::decode(&message).is_some(),
            vf::decode(&message).is_some(),
            dcb::decode(&message).is_some(),
            rdma::device(&message).is_some(),
            rdma::port(&message).is_some(),
            rdma::netns_mode(&message).is_some(),
            rdma::resources(&message).is_some(),
        ]
    });
    understood.filter(|made| *made).count()
}
