use super::super::listed::Devices;
use super::*;

/// A pod with containers, each with resources and their devices.
fn listed(namespace: &str, name: &str, containers: &[&[(&str, &[&str])]]) -> PodResources {
    let devices = |(resource, ids): &(&str, &[&str])| Devices {
        resource: (*resource).to_owned(),
        ids: ids.iter().map(|&id| id.to_owned()).collect(),
    };
    let devices = containers.iter().flat_map(|of| of.iter().map(devices)).collect();
    PodResources { name: name.to_owned(), namespace: namespace.to_owned(), devices }
}

fn pod(name: &str) -> Pod {
    Pod { namespace: "ai".to_owned(), name: name.to_owned(), uid: Some("u1".to_owned()) }
}

fn told(all: &[PodResources], name: &str) -> Result<String, String> {
    answer(all, &pod(name), &Owners::new())
}

#[test]
fn each_pod_has_its_own_in_natural_order() {
    let all = [
        listed(
            "ai",
            "a",
            &[&[("x/eno10", &["0000:5e:00.2"]), ("x/eno2", &["0000:3b:0a.1", "0000:3b:02.7"])]],
        ),
        listed("ai", "b", &[&[("x/eno2", &["0000:3b:00.3"]), ("x/eno10", &["0000:5e:00.3"])]]),
        listed("other", "a", &[&[("x/eno2", &["0000:3b:00.4"])]]),
    ];
    assert_eq!(told(&all, "a").unwrap(), "devices x/eno2=0000:3b:02.7,0000:3b:0a.1 x/eno10=0000:5e:00.2");
    assert_eq!(told(&all, "b").unwrap(), "devices x/eno2=0000:3b:00.3 x/eno10=0000:5e:00.3");
}

#[test]
fn containers_that_differ_have_their_devices_together_and_each_once() {
    let first: &[(&str, &[&str])] = &[("x/eno1", &["0000:3b:00.2"]), ("nvidia.com/gpu", &["GPU-7f", "3"])];
    let second: &[(&str, &[&str])] = &[("x/eno1", &["0000:3b:00.2"]), ("x/eno2", &["mlx5_core.sf.4"])];
    let all = [listed("ai", "a", &[first, &[], second])];
    assert_eq!(told(&all, "a").unwrap(), "devices x/eno1=0000:3b:00.2 x/eno2=mlx5_core.sf.4");
}

#[test]
fn no_pod_two_pods_and_a_pod_without_a_device_are_told_apart() {
    let gpu = listed("ai", "gpu", &[&[("nvidia.com/gpu", &["GPU-7f"])]]);
    let (none, twice) =
        (listed("ai", "none", &[&[]]), listed("ai", "twice", &[&[("x/a", &["0000:3b:00.2"])]]));
    let all = [gpu, none, twice.clone(), twice];
    for (name, words) in [
        ("absent", "knows no pod ai/absent"),
        ("twice", "knows 2 pods ai/twice"),
        ("gpu", "no device with a PCI address (it has nvidia.com/gpu)"),
        ("none", "(it has none at all)"),
    ] {
        let why = told(&all, name).unwrap_err();
        assert!(why.contains(words), "{name}: {why}");
    }
}

/// The old pod's ADD is under way while the name is another pod's already.
#[test]
fn a_device_of_another_uid_is_not_given() {
    let all = [listed("ai", "a", &[&[("x/a", &["0000:3b:00.2"])]])];
    let owner = |uid: &str| Owners::from([(("x/a".to_owned(), "0000:3b:00.2".to_owned()), uid.to_owned())]);
    assert!(answer(&all, &pod("a"), &owner("u1")).is_ok());
    let why = answer(&all, &pod("a"), &owner("u2")).unwrap_err();
    assert!(why.contains("UID u2") && why.contains("u1"), "{why}");
    // Without a UID, or where the checkpoint says nothing of it, the name has to do.
    let unnamed = Pod { uid: None, ..pod("a") };
    assert!(answer(&all, &unnamed, &owner("u2")).is_ok());
}

#[test]
fn what_would_break_the_line_is_no_device() {
    for id in ["0000:3b:00.2 x", "a\n.sf.1", "a=b.sf.1", "a,b.sf.2", ".sf.x", "GPU-1", "7"] {
        let all = [listed("ai", "a", &[&[("x/a", &[id])]])];
        assert!(told(&all, "a").unwrap_err().contains("it has x/a"), "{id:?}");
    }
    let many: Vec<_> = (0..2000).map(|number| format!("mlx5_core.sf.{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let why = told(&[listed("ai", "a", &[&[("x/a", &many)]])], "a").unwrap_err();
    assert!(why.contains("more devices than fit"), "{why}");
}
