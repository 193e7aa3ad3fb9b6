//! A record that was being appended to when its plugin was killed. The matrices kill before a call and after it; here a part of
//! what it was to write is there.

use std::fs::{self, File};
use std::io::Write;

use netns_tests::suite::{Binary, Stage};
use testkit::{CHANGES, Scope, assert_same};

/// Those that append to a record, and that this kernel can run.
const KEEPERS: [&str; 3] = ["macvlan", "rail", "coordinator"];

#[test]
fn del_undoes_what_was_done_before_the_append() {
    for name in KEEPERS {
        let (stage, binary) = (Stage::new(), Binary::named(name));
        let (plugin, config) = (stage.plugin(binary), stage.ready(binary, "1.1.0"));
        let points = plugin.trace("ADD", &config, CHANGES, Scope::Plugin).points();
        plugin.del(&config).success();
        let before = stage.world.snapshot().without("file state/ipam");
        let record = stage.world.dirs().state.join(format!("attachments/rail1/cid,{name},net1"));
        let mut cut = 0;
        for point in points.iter().filter(|point| point.name == "pwrite64") {
            plugin.kill_at("ADD", &config, Scope::Plugin, point);
            // All versions begin alike.
            if let Ok(bytes) = fs::read(&record) {
                let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
                let mut file = File::options().append(true).open(&record).expect("the record");
                file.write_all(&line[..line.len() / 2]).expect("a part of a version");
                cut += 1;
            }
            plugin.del(&config).success();
            assert_same(&before, &stage.world.snapshot().without("file state/ipam"));
        }
        assert!(cut > 0, "{name} was never killed with a record in place: {points:?}");
    }
}
