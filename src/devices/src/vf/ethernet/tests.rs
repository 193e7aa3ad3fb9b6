use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use attach::UndoContext;
use cni::{CniArgs, Command, Config, Env, Request};
use serde_json::{Value, json};
use state::{AttachmentKey, Dirs};

use super::sriov_cni::SriovCniCache;
use crate::vf::{Attributes, Id, LinkState, Netdev, Rate, VfKind, VfUndo, Vlan, find_unrecorded};

const GONE: &str = "/run/netns/gone";

/// As sriov-cni 2.10 leaves it after an ADD with everything asked for.
fn golden() -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "rail1", "type": "sriov", "ipam": { "type": "host-local" }, "dns": {},
        "OrigVfState": {
            "HostIFName": "ens1f0v3", "SpoofChk": true, "Trust": false, "AdminMAC": "00:00:00:00:00:00",
            "EffectiveMAC": "02:1a:b0:00:00:04", "Vlan": 7, "VlanQoS": 1, "VlanProto": 34984,
            "MinTxRate": 10, "MaxTxRate": 1000, "LinkState": 2, "MTU": 1500,
        },
        "Master": "ens1f0", "MAC": "02:00:5e:10:00:01", "MTU": 9000, "vlan": 100, "vlanQoS": 3, "vlanProto": "802.1q",
        "deviceID": "0000:3b:02.5", "VFID": 3, "min_tx_rate": null, "max_tx_rate": 500, "spoofchk": "off",
        "trust": "on", "link_state": "enable", "runtimeConfig": { "mac": "02:00:5e:10:00:01" },
    })
}

fn key() -> AttachmentKey {
    AttachmentKey::new("rail1", "c0ffee", "net1").unwrap()
}

fn cache_path(dirs: &Dirs) -> PathBuf {
    VfKind::Ethernet.holders(dirs).cache_path(&key()).unwrap()
}

fn dirs() -> (tempfile::TempDir, Dirs) {
    let base = tempfile::tempdir().unwrap();
    let dirs = Dirs::under(base.path());
    dirs.upstream.create(&["sriov", "pci"]).unwrap();
    (base, dirs)
}

#[expect(clippy::disallowed_methods, reason = "sriov-cni writes its files in place")]
fn sriov_cni_wrote(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn found(dirs: &Dirs) -> Option<VfUndo> {
    let context = &mut UndoContext::on_host(dirs);
    find_unrecorded(VfKind::Ethernet, &key(), Path::new(GONE), context).unwrap()
}

#[test]
fn a_cache_of_sriov_cni_says_what_to_put_back() {
    let (_base, dirs) = dirs();
    sriov_cni_wrote(&cache_path(&dirs), &golden().to_string());
    let undo = found(&dirs).unwrap();
    let netdev = Netdev {
        name: "ens1f0v3".to_owned(),
        alt_names: Vec::new(),
        mac: Some([2, 0x1a, 0xb0, 0, 0, 4].into()),
        mtu: Some(1500),
        up: false,
        settings: None,
    };
    let before = Attributes {
        mac: Some([0; 6].into()),
        vlan: Some(Vlan { id: 7, qos: 1, protocol: Vlan::DOT1AD }),
        rate: Some(Rate { min: 10, max: 1000 }),
        spoofchk: Some(true),
        trust: Some(false),
        link_state: Some(LinkState::Disable),
        ..Attributes::default()
    };
    assert_eq!((undo.device.as_str(), undo.ipam.as_deref()), ("0000:3b:02.5", Some("host-local")));
    assert_eq!((undo.netdev, undo.before), (Some(netdev), Some(before)));
}

#[test]
fn what_sriov_cni_was_not_asked_for_is_left_alone_but_for_the_mac() {
    let mut cache = golden();
    for key in ["vlan", "max_tx_rate", "spoofchk", "trust", "link_state"] {
        cache.as_object_mut().unwrap().remove(key);
    }
    let (_base, dirs) = dirs();
    sriov_cni_wrote(&cache_path(&dirs), &cache.to_string());
    let undo = found(&dirs).unwrap();
    assert_eq!(undo.before, Some(Attributes { mac: Some([0; 6].into()), ..Attributes::default() }));
}

#[test]
fn a_user_space_vf_has_no_interface_to_bring_back() {
    let mut cache = golden();
    cache["OrigVfState"]["HostIFName"] = "".into();
    let (_base, dirs) = dirs();
    sriov_cni_wrote(&cache_path(&dirs), &cache.to_string());
    let undo = found(&dirs).unwrap();
    assert_eq!(undo.netdev, None);
}

#[test]
fn torn_empty_and_field_less_caches_are_removed() {
    let (_base, dirs) = dirs();
    let path = cache_path(&dirs);
    assert!(found(&dirs).is_none());
    let torn = &golden().to_string()[..300];
    for text in ["", torn, r#"{"cniVersion":"1.0.0","name":"rail1","type":"sriov","ipam":{}}"#] {
        sriov_cni_wrote(&path, text);
        assert!(found(&dirs).is_none(), "{text}");
        assert!(!path.exists());
    }
}

#[test]
fn a_cache_of_an_older_boot_refers_to_a_kernel_that_is_gone() {
    let (_base, dirs) = dirs();
    let path = cache_path(&dirs);
    let allocation = dirs.upstream.as_path().join("sriov/pci/0000:3b:02.5");
    sriov_cni_wrote(&path, &golden().to_string());
    sriov_cni_wrote(&allocation, "/run/netns/gone");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    assert!(found(&dirs).is_none());
    assert!(!path.exists() && !allocation.exists());
}

#[test]
fn an_allocation_of_another_pod_stays() {
    let (_base, dirs) = dirs();
    let id = Id::parse("0000:3b:02.5").unwrap();
    let allocation = dirs.upstream.as_path().join("sriov/pci/0000:3b:02.5");
    sriov_cni_wrote(&allocation, "/run/netns/b");
    VfKind::Ethernet.holders(&dirs).forget(&id, &key(), Path::new(GONE)).unwrap();
    assert_eq!(std::fs::read_to_string(&allocation).unwrap(), "/run/netns/b");
    sriov_cni_wrote(&allocation, "/run/netns/gone\n");
    VfKind::Ethernet.holders(&dirs).forget(&id, &key(), Path::new(GONE)).unwrap();
    assert!(!allocation.exists());
}

#[test]
fn sriov_cni_finds_in_a_cache_of_ours_all_that_it_puts_there_itself() {
    let config = json!({
        "cniVersion": "1.0.0", "name": "rail1", "type": "sriov", "deviceID": "0000:3b:02.5", "Vlan": 100, "vlanQoS": 3,
        "max_tx_rate": 500, "spoofchk": "off", "trust": "on", "link_state": "enable",
        "ipam": { "type": "rail-ipam", "ippools": {} },
    });
    let request = request(&config);
    let cache =
        SriovCniCache::of(&request, &undo(), Some([2, 0, 0x5e, 0x10, 0, 1].into()), Some(("ens1f0", 3)))
            .unwrap();
    let written = serde_json::to_value(&cache).unwrap();
    let golden = golden();
    for key in [
        "OrigVfState",
        "Master",
        "MAC",
        "vlan",
        "vlanQoS",
        "deviceID",
        "VFID",
        "max_tx_rate",
        "spoofchk",
        "trust",
        "link_state",
        "min_tx_rate",
        "name",
        "type",
        "cniVersion",
    ] {
        assert_eq!(written[key], golden[key], "{key}");
    }
    assert_eq!(written["ipam"], json!({ "type": "rail-ipam" }), "only the type, as sriov-cni keeps it");
    let (_base, dirs) = dirs();
    VfKind::Ethernet.holders(&dirs).save(&key(), &cache).unwrap();
    let read = found(&dirs).unwrap();
    let expected = undo();
    assert_eq!((read.netdev, read.driver), (expected.netdev, expected.driver), "nothing of ours is lost");
}

fn undo() -> VfUndo {
    VfUndo {
        driver: Some("mlx5_core".to_owned()),
        index: Some(7),
        netdev: Some(Netdev {
            name: "ens1f0v3".to_owned(),
            alt_names: vec!["enp59s0f0v3".to_owned()],
            mac: Some([2, 0x1a, 0xb0, 0, 0, 4].into()),
            mtu: Some(1500),
            up: true,
            settings: None,
        }),
        before: Some(Attributes {
            mac: Some([0; 6].into()),
            vlan: Some(Vlan { id: 7, qos: 1, protocol: Vlan::DOT1AD }),
            rate: Some(Rate { min: 10, max: 1000 }),
            spoofchk: Some(true),
            trust: Some(false),
            link_state: Some(LinkState::Disable),
            ..Attributes::default()
        }),
        ipam: Some("rail-ipam".to_owned()),
        ..VfUndo::of(VfKind::Ethernet, key(), &Id::parse("0000:3b:02.5").unwrap(), GONE.into())
    }
}

fn request(config: &Value) -> Request {
    let env = Env {
        command: Command::Add,
        container_id: "c0ffee".to_owned(),
        netns: Some("/run/netns/gone".into()),
        ifname: "net1".to_owned(),
        args: CniArgs::default(),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    Request { env, config: Config::parse(config.to_string().into_bytes(), Command::Add).unwrap() }
}
