//! Metrics of IPv6 routes.

use std::hash::{DefaultHasher, Hash, Hasher};

/// `IP6_RT_PRIO_USER`: that of everybody who says nothing.
const USUAL: u32 = 1024;
/// How many NICs of a series have a metric by their number.
const SERIES: u32 = 1024;

/// Of routes that come without one. Equal ones of several links would be one route to the kernel, over which it spreads the traffic;
/// with these `eth0` counts most, then `net1`, then the others. The name alone decides: the same pod has the same routes, however
/// it was attached.
pub fn metric(ifname: &str) -> u32 {
    for (place, series) in (0..).zip(["eth", "net"]) {
        let number = ifname.strip_prefix(series).and_then(|digits| digits.parse::<u32>().ok());
        if let Some(number) = number.filter(|number| *number < SERIES) {
            return USUAL + place * SERIES + number;
        }
    }
    // A Rust whose hasher is another one does no harm: CHECK compares no metric that the config has not said, and what is to be
    // removed is on record with its own.
    let mut hasher = DefaultHasher::new();
    ifname.hash(&mut hasher);
    let [a, b, c, ..] = hasher.finish().to_be_bytes();
    USUAL + 2 * SERIES + u32::from_be_bytes([0, a, b, c])
}

#[cfg(test)]
mod tests {
    use super::metric;

    #[test]
    fn the_first_nic_counts_most_then_the_rails_in_their_order_then_all_others() {
        let names = ["eth0", "eth1", "net1", "net2", "net8", "net10", "rdma0"];
        let metrics: Vec<u32> = names.iter().map(|name| metric(name)).collect();
        assert!(metrics.is_sorted_by(|a, b| a < b), "{metrics:?}");
        assert_eq!(metrics[0], 1024);
    }

    #[test]
    fn names_that_only_look_alike_have_metrics_of_their_own() {
        let mut metrics: Vec<u32> =
            ["net", "net99999999999", "net2048", "gpu1", "gpu2", "ens1f0", "ens1f1"].map(metric).to_vec();
        metrics.sort_unstable();
        metrics.dedup();
        assert_eq!(metrics.len(), 7);
    }
}
