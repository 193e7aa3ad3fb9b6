//! A slow IPAM, and a runtime that does not wait for it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::json;
use vm::lab::{Pod, until, vf};

use super::call::sriov;
use super::state::{State, assert_untouched};

/// An IPAM plugin that gives one address, and whose DEL says that it runs and then waits to be let go.
const SLOW: &str = r#"#!/bin/sh
cat >/dev/null
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"1.0.0","ips":[{"address":"10.76.0.5/24"}]}' ;;
DEL) touch /run/asked; while [ ! -e /run/answer ]; do sleep 0.05; done ;;
esac
"#;

/// Makes it a plugin, in `/run/ipam`.
pub(crate) fn install(name: &str, script: &str) {
    let path = Path::new("/run/ipam").join(name);
    fs::create_dir_all("/run/ipam").expect("a directory");
    File::create(&path).and_then(|mut file| file.write_all(script.as_bytes())).expect("the script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("make it a program");
}

#[test]
fn a_pod_may_have_the_vf_while_the_ipam_still_works_on_the_del_of_the_one_before() {
    install("slow", SLOW);
    let (vf, first, second) = (vf(0, 2), Pod::new(), Pod::new());
    let before = State::of(&vf);
    let old =
        sriov(&vf, &first, &json!({ "vlan": 50, "mac": "02:00:5e:10:00:0b", "ipam": { "type": "slow" } }))
            .plugins_in("/run/ipam");
    let mut result = old.run("ADD");
    result["cniVersion"] = json!("1.1.0");
    let new = sriov(&vf, &second, &json!({ "vlan": 60, "mac": "02:00:5e:10:00:0c" }));
    thread::scope(|scope| {
        let del = scope.spawn(|| old.run("DEL"));
        until(Duration::from_secs(60), "the DEL has come to its IPAM", || Path::new("/run/asked").exists());
        new.run("ADD");
        let attributes = vf.attributes();
        File::create("/run/answer").expect("let the IPAM go");
        del.join().expect("the DEL ends");
        assert_eq!(vf.attributes(), attributes);
    });
    assert_eq!((vf.attributes().vlan, second.links()), (60, vec!["net1".to_owned()]));
    assert_eq!(second.link("net1")["address"], "02:00:5e:10:00:0c");
    new.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn two_adds_of_one_vf_at_once_have_one_winner() {
    let vf = vf(0, 3);
    let before = State::of(&vf);
    let pods = [Pod::new(), Pod::new()];
    let calls = [0, 1].map(|index: usize| sriov(&vf, &pods[index], &json!({ "vlan": 70 + index })));
    let results = thread::scope(|scope| {
        let running = [0, 1].map(|index: usize| {
            scope.spawn({
                let call = &calls[index];
                move || call.try_run("ADD")
            })
        });
        running.map(|thread| thread.join().expect("no panic"))
    });
    let winner = results.iter().position(Result::is_ok).expect("one of them has the VF");
    let said = results[1 - winner].as_ref().expect_err("the other one has not").to_string();
    assert!(said.contains("already allocated"), "{said}");
    assert_eq!(vf.attributes().vlan, 70 + winner as u64);
    for call in &calls {
        call.run("DEL");
    }
    assert_untouched(&vf, &before);
}
