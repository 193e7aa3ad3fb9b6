//! `struct ifinfomsg`, as every request about links begins.

use netlink_packet_route::link::LinkFlags;
use nix::libc::IFLA_EXT_MASK;

use crate::body;

// include/uapi/linux/rtnetlink.h
const RTEXT_FILTER_VF: u32 = 1;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

/// About one link; 0 for what is told otherwise.
pub(crate) fn header(index: u32) -> Vec<u8> {
    changing(index, LinkFlags::empty(), LinkFlags::empty())
}

/// The same, with those flags changed that are in `mask`.
pub(super) fn changing(index: u32, flags: LinkFlags, mask: LinkFlags) -> Vec<u8> {
    let mut header = Vec::with_capacity(128);
    // Family and type, which requests leave open.
    header.extend_from_slice(&[0; 4]);
    for field in [index, flags.bits(), mask.bits()] {
        header.extend_from_slice(&field.to_ne_bytes());
    }
    header
}

/// Statistics are half of an answer, and VFs most of it where there are any.
pub(crate) fn without_statistics(into: &mut Vec<u8>, with_vfs: bool) {
    let vfs = if with_vfs { RTEXT_FILTER_VF } else { 0 };
    body::u32(into, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS | vfs);
}

/// All that is said of VFs, with what they have carried.
pub(crate) fn with_vfs(into: &mut Vec<u8>) {
    body::u32(into, IFLA_EXT_MASK, RTEXT_FILTER_VF);
}
