//! What VFs have carried, as their PF counts it: of a VF that has left for a pod, too, and with what went past the kernel.

use nix::libc::{IFLA_VFINFO_LIST, RTM_GETLINK, RTM_NEWLINK};

use super::{HEADER, IFLA_VF_INFO};
use crate::attr::{Attribute, Attributes, u32_at, u64_at};
use crate::body::Body;
use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::link::{Statistics, encode};
use crate::message::{Message, Request};

// include/uapi/linux/if_link.h
const IFLA_VF_STATS: u16 = 8;
const IFLA_VF_STATS_RX_PACKETS: u16 = 0;
const IFLA_VF_STATS_TX_PACKETS: u16 = 1;
const IFLA_VF_STATS_RX_BYTES: u16 = 2;
const IFLA_VF_STATS_TX_BYTES: u16 = 3;
const IFLA_VF_STATS_RX_DROPPED: u16 = 7;
const IFLA_VF_STATS_TX_DROPPED: u16 = 8;

impl Rtnetlink {
    /// The counters of a PF's VFs by number. A driver without such counters says zero of all; of errors there are none.
    pub fn vf_statistics(&mut self, pf: u32) -> Result<Vec<(u32, Statistics)>, Error> {
        let mut message = encode::header(pf);
        encode::with_vfs(&mut message);
        let what = format_args!("of VFs of link {pf}");
        let request = Request::new("list counters", what, RTM_GETLINK, 0, &Body(message));
        self.query(&request, decode)?.ok_or_else(|| request.unexpected("neither a link nor an error"))
    }
}

fn decode(message: &Message<'_>) -> Option<Vec<(u32, Statistics)>> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let mut attributes = Attributes(message.payload.get(HEADER..)?);
    let list = attributes.find(|attribute| attribute.kind == IFLA_VFINFO_LIST);
    let list = list.map_or(Attributes(&[]), Attribute::nested);
    Some(list.filter(|entry| entry.kind == IFLA_VF_INFO).filter_map(|entry| vf(entry.nested())).collect())
}

fn vf(attributes: Attributes<'_>) -> Option<(u32, Statistics)> {
    let id = attributes.clone().find_map(|attribute| u32_at(attribute.value, 0))?;
    let mut all = attributes;
    let counters = all.find(|attribute| attribute.kind == IFLA_VF_STATS)?.nested();
    let mut statistics = Statistics::default();
    for counter in counters {
        let field = match counter.kind {
            IFLA_VF_STATS_RX_PACKETS => &mut statistics.rx_packets,
            IFLA_VF_STATS_TX_PACKETS => &mut statistics.tx_packets,
            IFLA_VF_STATS_RX_BYTES => &mut statistics.rx_bytes,
            IFLA_VF_STATS_TX_BYTES => &mut statistics.tx_bytes,
            IFLA_VF_STATS_RX_DROPPED => &mut statistics.rx_dropped,
            IFLA_VF_STATS_TX_DROPPED => &mut statistics.tx_dropped,
            _ => continue,
        };
        *field = u64_at(counter.value, 0)?;
    }
    Some((id, statistics))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body;

    #[test]
    fn the_counters_of_a_vf_are_read_by_their_numbers() {
        let mut info = Vec::new();
        // struct ifla_vf_mac
        body::put(&mut info, 1, &[&3u32.to_ne_bytes()[..], &[0; 32]].concat());
        body::nest(&mut info, IFLA_VF_STATS, |stats| {
            for (kind, value) in
                [(0u16, 10u64), (1, 11), (2, 12), (3, 13), (4, 99), (5, 99), (7, 14), (8, 15)]
            {
                body::put(stats, kind, &value.to_ne_bytes());
            }
        });
        let expected = Statistics {
            rx_packets: 10,
            tx_packets: 11,
            rx_bytes: 12,
            tx_bytes: 13,
            rx_dropped: 14,
            tx_dropped: 15,
            ..Statistics::default()
        };
        assert_eq!(vf(Attributes(&info)), Some((3, expected)));
    }
}
