//! Settings of a namespace as a whole.

use std::fs::OpenOptions;
use std::io::Write;

use crate::world;

#[test]
fn rp_filter_of_all_is_that_of_proc() {
    let mut route = world::enter();
    for value in ["2", "0", "1"] {
        let file = OpenOptions::new().write(true).open("/proc/sys/net/ipv4/conf/all/rp_filter");
        file.unwrap().write_all(value.as_bytes()).unwrap();
        assert_eq!(route.rp_filter_of_all().unwrap().to_string(), value);
    }
}
