//! Rails that go away under use. The kernel's log is checked after each test.

use std::fs::File;

use vm::lab::{Pod, pf, run, vf};

#[test]
fn sriov_off_takes_the_vfs_out_of_their_pods() {
    let (pf, pod) = (pf(0), Pod::new());
    for vf in pf.vfs() {
        run(&["rdma", "dev", "set", &vf.rdma()[0], "netns", pod.name()]);
        pod.take(&vf, &format!("net{}", vf.index()), "10.8.0.1/24");
    }
    assert_eq!((pod.links().len(), pod.rdma_devices().len()), (4, 4));
    pf.set_numvfs(0).expect("disable the VFs");
    assert_eq!((pod.links().len(), pod.rdma_devices().len()), (0, 0));
    pf.set_numvfs(4).expect("enable the VFs");
    assert_eq!(pf.vfs().len(), 4);
}

#[test]
fn a_vf_is_unbound_while_it_carries_traffic_and_is_open() {
    let (left, right) = (Pod::new(), Pod::new());
    left.take(&vf(1, 0), "net1", "10.8.0.1/24");
    right.take(&vf(1, 1), "net1", "10.8.0.2/24");
    assert!(left.pings("10.8.0.2"));
    let verbs = std::fs::read_dir(vf(1, 1).sysfs().join("infiniband_verbs")).expect("verbs devices");
    let names: Vec<_> =
        verbs.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let path = format!("/dev/infiniband/{}", names[0]);
    let open = File::options().read(true).write(true).open(path).expect("open the device");
    vf(1, 1).unbind();
    assert!(right.links().is_empty());
    assert!(!left.pings("10.8.0.2"));
    vf(1, 1).bind("lab_hca");
    drop(open);
    assert_eq!(vf(1, 1).rdma().len(), 1);
}

#[test]
fn a_pf_is_unbound_with_its_vfs_in_pods() {
    let (pf, pod) = (pf(2), Pod::new());
    pod.take(&pf.vfs()[0], "net1", "10.8.0.1/24");
    pf.unbind();
    assert!(pod.links().is_empty());
    pf.bind("lab_hca");
    assert_eq!((pf.rdma().len(), pf.vfs().len()), (1, 0));
}
