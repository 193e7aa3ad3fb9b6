//! Every binary with an input that a seeded mutator has broken: stdin, `CNI_ARGS`, and the files that others left. It answers
//! or refuses by one object, without a panic, and its DEL leaves nothing. `RAILCNI_HOSTILE_ROUNDS` for a long run, of which
//! this has a share: what reads the bytes gets all of it in `integration/hostile`, without a process for each.

use std::path::Path;

use hostile::Mutator;
use netns_tests::suite::{BINARIES, Binary, Needs, Stage};
use serde_json::{Value, json};
use testkit::{Outcome, assert_same, figure};

/// A process takes so many times as long as its code.
const SHARE: u64 = 10;

fn rounds() -> u64 {
    let wanted = std::env::var("RAILCNI_HOSTILE_ROUNDS").ok();
    let number =
        |text: String| text.parse().unwrap_or_else(|_| panic!("RAILCNI_HOSTILE_ROUNDS {text}: a number"));
    wanted.map(number).map_or(40, |rounds: u64| (rounds / SHARE).max(1))
}

/// Exit 0, or 1 with an error object that refers to no defect of ours.
#[track_caller]
fn sane(what: &str, input: &[u8], outcome: &Outcome) {
    let object: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
    let fine = match outcome.status.code() {
        Some(0) => true,
        Some(1) => {
            let text = object["msg"].as_str().unwrap_or_default();
            object["code"].is_u64() && !text.is_empty() && !text.starts_with("internal error")
        }
        _ => false,
    };
    assert!(fine, "{what} with {}: {outcome}", input.escape_ascii());
}

/// A number of its own for each case, so that every binary sees other inputs.
fn mutations(input: &[u8], salt: &str) -> impl Iterator<Item = Vec<u8>> {
    let salt = salt.bytes().fold(17_u64, |salt, byte| salt.wrapping_mul(31).wrapping_add(byte.into()));
    (0..rounds())
        .map(move |round| Mutator::new(salt.wrapping_add(round.wrapping_mul(0x9e37_79b9))).mutate(input))
}

/// Each binary in a world and on a thread of its own.
fn every<'b>(binaries: impl Iterator<Item = &'b Binary>, visit: impl Fn(&Binary) + Sync) {
    std::thread::scope(|scope| {
        let visit = &visit;
        let threads: Vec<_> = binaries.map(|binary| scope.spawn(move || visit(binary))).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

#[test]
fn stdin_of_every_binary() {
    every(BINARIES.iter(), |binary| {
        let stage = Stage::new();
        let config = match binary.needs {
            Needs::Device if binary.chained => binary.config(),
            _ => stage.ready(binary, "1.1.0"),
        };
        let before = stage.kernel();
        let plugin = stage.plugin(binary);
        for input in mutations(config.to_string().as_bytes(), binary.name) {
            sane(binary.name, &input, &plugin.run_bytes("ADD", &input));
            // Whatever it has made, by the config that it was made with, and by the good one.
            sane(binary.name, &input, &plugin.run_bytes("DEL", &input));
            plugin.del(&config).success();
        }
        assert_same(&before, &stage.kernel());
        figure("inputs tried on processes", binary.name, inputs(), inputs());
    });
}

#[test]
fn arguments_of_every_binary() {
    let args = b"IgnoreUnknown=1;K8S_POD_NAMESPACE=ai;K8S_POD_NAME=train-0;IP=172.16.1.20,172.16.1.21/24;MAC=02:00:00:00:00:01";
    every(Binary::that_need(Needs::Nothing), |binary| {
        let stage = Stage::new();
        let config = stage.ready(binary, "1.1.0");
        let before = stage.kernel();
        for input in mutations(args, binary.name) {
            // An environment has neither.
            let text = String::from_utf8_lossy(&input).replace('\0', "");
            let plugin = stage.plugin(binary).args(&text);
            sane(binary.name, text.as_bytes(), &plugin.add(&config));
            plugin.del(&config).success();
        }
        assert_same(&before, &stage.kernel());
        figure("inputs tried on processes", &format!("{}, CNI_ARGS", binary.name), inputs(), inputs());
    });
}

/// What the plugins that ours replace have left: their DEL reads it, and so does an ADD of an IPAM.
#[test]
fn files_of_others() {
    let sriov = json!({ "cniVersion": "1.0.0", "name": "rail1", "type": "sriov", "deviceID": "0000:3b:02.1", "VFID": 0, "Master": "ens1f0",
        "OrigVfState": { "HostIFName": "ens1f0v0", "EffectiveMAC": "02:00:00:00:00:01", "MTU": 1500 }, "vlan": 100 });
    let ib = json!({ "cniVersion": "1.0.0", "name": "rail1", "type": "ib-sriov", "deviceID": "0000:3b:02.1", "PFName": "ibp3s0", "VFID": 0,
        "HostIFName": "ibp3s0v0", "HostIFGUID": "02:00:00:00:00:00:00:01", "ContIFNames": "net1", "guid": "02:00:00:00:00:00:00:02" });
    let rdma = json!({ "deviceID": "0000:3b:02.1", "sandboxRdmaDevName": "mlx5_3", "containerRdmaDevName": "mlx5_3" });
    let record =
        b"{\"version\":1,\"plugin\":\"macvlan\",\"key\":{\"network\":\"rail1\"}}\n00000000\n".to_vec();
    let files: [(&str, &str, Vec<u8>); 5] = [
        ("sriov", "peer/sriov/cid-net1", sriov.to_string().into_bytes()),
        ("ib-sriov", "peer/ib-sriov/cid-net1", ib.to_string().into_bytes()),
        ("rdma", "peer/rdma/cid-net1", rdma.to_string().into_bytes()),
        ("rail-ipam", "peer/networks/rail1/172.16.1.10", b"cid\r\nnet1".to_vec()),
        ("macvlan", "state/attachments/rail1/cid,macvlan,net1", record),
    ];
    for (name, file, content) in files {
        let stage = Stage::new();
        let (binary, before) = (Binary::named(name), stage.kernel());
        let path = Path::new("/run/world").join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        for input in mutations(&content, name) {
            write(&path, &input);
            sane(name, &input, &stage.plugin(binary).del(&binary.config()));
        }
        assert_same(&before, &stage.kernel());
        figure("inputs tried on processes", &format!("{name}, files"), inputs(), inputs());
    }
}

fn inputs() -> usize {
    usize::try_from(rounds()).expect("a number")
}

#[expect(clippy::disallowed_methods, reason = "the peers write their files in place")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a file of another plugin");
}
