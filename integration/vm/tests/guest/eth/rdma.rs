//! RDMA devices and network namespaces.

use std::fs::{self, File};
use std::time::Duration;

use vm::lab::{Mode, Pod, ip, rdma_devices, rdma_mode, run, set_rdma_mode, try_run, until, vf};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn the_lab_starts_in_exclusive_mode() {
    assert_eq!(rdma_mode(), Mode::Exclusive);
    assert_eq!(rdma_devices().len(), 40);
    assert_eq!(Pod::new().rdma_devices(), Vec::<String>::new());
}

#[test]
fn in_shared_mode_every_namespace_sees_every_device() {
    set_rdma_mode(Mode::Shared);
    let pod = Pod::new();
    assert_eq!(pod.rdma_devices(), rdma_devices());
    let refused = try_run(&["rdma", "system", "set", "netns", "exclusive"]);
    assert!(refused.stderr.contains("busy"), "a namespace is in the way: {refused:?}");
    drop(pod);
    set_rdma_mode(Mode::Exclusive);
}

#[test]
fn a_device_moves_to_a_pod_and_back() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let name = vf.rdma().remove(0);
    run(&["rdma", "dev", "set", &name, "netns", pod.name()]);
    assert_eq!(pod.rdma_devices(), [name.as_str()]);
    assert!(vf.rdma().is_empty());
    assert!(vf.sysfs().join("infiniband").is_dir(), "the directory stays, empty");
    assert!(!fs::exists(format!("/sys/class/infiniband/{name}")).expect("ask for it"));
    // A named namespace of its own is the only way for `rdma` to say where "back" is.
    run(&["ip", "netns", "attach", "host", "1"]);
    pod.run(&["rdma", "dev", "set", &name, "netns", "host"]);
    assert_eq!(vf.rdma(), [name]);
    run(&["ip", "netns", "del", "host"]);
}

#[test]
fn a_device_moves_while_a_program_has_it_open() {
    let (vf, pod) = (vf(0, 1), Pod::new());
    let name = vf.rdma().remove(0);
    let uverbs = fs::read_dir(vf.sysfs().join("infiniband_verbs")).expect("verbs devices").next();
    let uverbs = uverbs.expect("one").expect("readable").file_name();
    let path = format!("/dev/infiniband/{}", uverbs.to_string_lossy());
    let open = File::options().read(true).write(true).open(&path).expect("open the device");
    run(&["rdma", "dev", "set", &name, "netns", pod.name()]);
    assert_eq!(pod.rdma_devices(), [name]);
    let refused = File::options().read(true).write(true).open(&path).expect_err("the host has lost it");
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    drop(open);
}

#[test]
fn when_a_pod_dies_its_devices_return_the_netdev_under_the_pods_name() {
    let (vf, pod) = (vf(2, 0), Pod::new());
    let rdma = vf.rdma();
    run(&["rdma", "dev", "set", &rdma[0], "netns", pod.name()]);
    pod.take(&vf, "net1", "10.9.0.1/24");
    drop(pod);
    until(SOON, "the RDMA device returns under its name", || vf.rdma() == rdma);
    until(SOON, "the netdev returns", || vf.netdev().is_some());
    assert_eq!(vf.ifname(), "net1");
    assert!(ip("link show dev net1").contains("state DOWN"));
}

#[test]
fn the_second_netdev_of_that_name_returns_as_dev_and_its_index() {
    let (one, two) = (vf(2, 1), vf(2, 2));
    for vf in [&one, &two] {
        let pod = Pod::new();
        ip(&format!("link set dev {} netns {} name net1", vf.ifname(), pod.name()));
        drop(pod);
        until(SOON, "the netdev returns", || vf.netdev().is_some());
    }
    assert_eq!(one.ifname(), "net1");
    let text = ip(&format!("-j link show dev {}", two.ifname()));
    let links: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(two.ifname(), format!("dev{}", links[0]["ifindex"]));
}
