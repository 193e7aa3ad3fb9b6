//! A record that was being appended to when its plugin was killed. The matrices kill before a call and after it; here a part of
//! what it was to write is there. And `railctl` as a runtime, with a cache of its own, ended anywhere.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use netns_tests::suite::{Binary, Stage};
use serde_json::Value;
use testkit::{CHANGES, Call, Plugin, Scope, Trace, assert_same, binary};

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

/// `railctl attach` at ADD, and `railctl detach` at DEL.
fn railctl(stage: &Stage) -> Plugin {
    let config = stage.world.file("rail1.conf", Binary::named("macvlan").config().to_string());
    let (program, pod) = (binary("railctl"), stage.pod.path());
    let script = format!(
        "#!/bin/sh\n[ $CNI_COMMAND = ADD ] && verb=attach || verb=detach\nexec {} $verb {} {} -i net1\n",
        program.display(),
        config.display(),
        pod.display()
    );
    let path = stage.world.file("railctl.sh", script);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("an executable");
    stage.world.foreign_plugin(&path).env("CNI_PATH", program.parent().unwrap_or(&program))
}

/// Killed, or told by the disk that it takes nothing, wherever it changes something: what is attached then, the next detach takes
/// back, and says nothing of a cache that it cannot read.
#[test]
fn detach_takes_back_what_railctl_had_attached_wherever_it_ended() {
    const ERRORS: [&str; 4] = ["ENOSPC", "EROFS", "EACCES", "EIO"];
    let stage = Stage::new();
    let (railctl, none) = (railctl(&stage), Value::Null);
    let run = |verb: &str| {
        let outcome = railctl.run(verb, &none);
        assert!(outcome.status.success(), "{verb}: {outcome}");
    };
    run("ADD");
    run("DEL");
    let before = stage.world.snapshot().without("file state/ipam");
    for verb in ["ADD", "DEL"] {
        let begin = || {
            if verb == "DEL" {
                run("ADD");
            }
        };
        begin();
        let Trace { outcome, calls, .. } = railctl.trace(verb, &none, CHANGES, Scope::Plugin);
        assert!(outcome.status.success(), "{outcome}");
        run("DEL");
        let points: Vec<&Call> = calls.iter().filter(|call| !call.reads).collect();
        assert!(points.iter().any(|point| point.name.starts_with("rename")) || verb == "DEL", "{points:?}");
        for (turn, point) in points.iter().enumerate() {
            for errno in [None, Some(ERRORS[turn % ERRORS.len()])] {
                begin();
                let Trace { outcome, .. } = match errno {
                    None => railctl.kill_at(verb, &none, Scope::Plugin, point),
                    Some(errno) => railctl.fail_at(verb, &none, Scope::Plugin, point, errno),
                };
                let again = railctl.run("DEL", &none);
                let what = format!("{verb} ended at {point} by {errno:?} with {outcome}, then {again}");
                assert!(again.status.success(), "{what}");
                let after = stage.world.snapshot().without("file state/ipam");
                assert_eq!(before.diff(&after), "", "{what}");
            }
        }
    }
}
