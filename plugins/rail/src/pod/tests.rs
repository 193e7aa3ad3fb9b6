use cni::{CniArgs, Env};
use serde_json::json;

use super::*;
use crate::conf;

const ALL: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ai;K8S_POD_NAME=train-0;K8S_POD_UID=1";

fn request(config: &Value, command: Command) -> Request {
    let mut whole =
        json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail", "link": "sriov", "devices": "pod" });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let env = Env {
        command,
        container_id: "c".to_owned(),
        netns: Some("/run/netns/c".into()),
        ifname: "net1".to_owned(),
        args: CniArgs::parse(ALL),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    Request { env, config: Config::parse(whole.to_string().into_bytes(), command).unwrap() }
}

fn of_pod(request: &Request) -> OfPod {
    OfPod::of(request, &request.config.decode().unwrap()).unwrap().unwrap()
}

fn held(resources: &[(&str, &[&str])]) -> Vec<PodDevices> {
    let devices = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect();
    let one =
        |(name, ids): &(&str, &[&str])| PodDevices { resource: (*name).to_owned(), devices: devices(ids) };
    resources.iter().map(one).collect()
}

/// What the rails take of a GPU, and VFs of two NICs.
fn chosen(config: &Value) -> Result<Vec<String>, String> {
    let held = held(&[
        ("nvidia.com/gpu", &["0000:01:00.0"]),
        ("x/eno2", &["0000:3b:00.2"]),
        ("x/eno10", &["0000:5e:00.2", "0000:5e:00.3"]),
    ]);
    let wish = of_pod(&request(config, Command::Add));
    let is_of_nic = |device: &str| device != "0000:01:00.0";
    choose(&held, &wish, &PodName::of(&CniArgs::parse(ALL)).unwrap(), &is_of_nic)
        .map_err(|error| error.msg.clone())
}

#[test]
fn rails_take_what_is_a_nics_or_what_is_named_in_its_order() {
    assert_eq!(chosen(&json!({})).unwrap(), ["0000:3b:00.2", "0000:5e:00.2", "0000:5e:00.3"]);
    assert_eq!(chosen(&json!({ "resources": ["x/eno2"] })).unwrap(), ["0000:3b:00.2"]);
    let turned = chosen(&json!({ "resources": ["x/eno10", "x/eno2"], "rails": [{}, {}, { "vlan": 7 }] }));
    assert_eq!(turned.unwrap(), ["0000:5e:00.2", "0000:5e:00.3", "0000:3b:00.2"]);
    // Named, it is a rail's, whatever it is: taking it says what is wrong.
    assert_eq!(chosen(&json!({ "resources": ["nvidia.com/gpu"] })).unwrap(), ["0000:01:00.0"]);
}

#[test]
fn fewer_more_and_others_are_refused_with_what_the_pod_has() {
    for (config, words) in [
        (json!({ "resources": ["x/eno2", "x/eno3"] }), "it has no device of x/eno3"),
        (json!({ "rails": ["eno2", "eno10"] }), "there are 2 rails, and 3 devices"),
        (json!({ "rails": [{}, {}, {}, {}] }), "there are 4 rails, and 3 devices"),
        (json!({ "rails": [{}, {}], "resources": ["x/eno2"] }), "there are 2 rails, and 1 devices"),
    ] {
        let error = chosen(&config).unwrap_err();
        assert!(error.contains(words) && error.contains("pod ai/train-0"), "{config}: {error}");
        assert!(error.contains("nvidia.com/gpu: 0000:01:00.0; x/eno2: 0000:3b:00.2; x/eno10:"), "{error}");
    }
    let gpu = held(&[("nvidia.com/gpu", &["0000:01:00.0"])]);
    let wish = of_pod(&request(&json!({}), Command::Add));
    let error = choose(&gpu, &wish, &PodName::of(&CniArgs::parse(ALL)).unwrap(), &|_| false).unwrap_err();
    assert!(error.msg.contains("none of its devices is a VF of a NIC"), "{error}");
}

#[test]
fn a_config_that_says_two_things_is_refused_before_anybody_is_asked() {
    for (config, words) in [
        (json!({ "devices": "node" }), "devices \"node\": allowed is \"pod\""),
        (json!({ "devices": ["0000:3b:00.2"] }), "allowed is \"pod\""),
        (json!({ "devices": null, "resources": ["x/a"] }), "resources: they are of \"devices\": \"pod\""),
        (json!({ "resources": [] }), "resources []"),
        (json!({ "link": "macvlan" }), "a macvlan link has a master"),
        (json!({ "deviceID": "0000:3b:00.2" }), "deviceID 0000:3b:00.2: the runtime gives it"),
        (json!({ "runtimeConfig": { "deviceID": "0000:3b:00.2" } }), "take the annotation"),
        (json!({ "rails": ["eno2", "0000:3b:00.2"] }), "rails[1]: it names a device"),
        (json!({ "rails": [{ "deviceID": "0000:3b:00.2" }] }), "rails[0]: it names a device"),
    ] {
        for command in [Command::Add, Command::Check, Command::Status] {
            let request = request(&config, command);
            let error = resolved(&request).map(|_| ()).and(conf::rails(&request).map(|_| ())).unwrap_err();
            assert!(error.code == 7 && error.msg.contains(words), "{config}: {error}");
        }
    }
}

/// Whoever has no pod, or no agent: STATUS, DEL and GC.
#[test]
fn the_other_verbs_ask_nobody() {
    let count = |config: &Value, command| conf::rails(&request(config, command)).unwrap().len();
    assert_eq!(count(&json!({}), Command::Status), 1);
    assert_eq!(count(&json!({ "rails": ["eno2", "eno10"] }), Command::Status), 2);
    assert_eq!(count(&json!({ "resources": ["x/a", "x/b", "x/c"] }), Command::Gc), 3);
    let interface = |name: &str| json!({ "name": name, "sandbox": "/run/netns/c" });
    let previous = json!({ "cniVersion": "1.1.0", "interfaces": [interface("net1"), interface("net2"), { "name": "veth" }] });
    let del = request(&json!({ "prevResult": previous }), Command::Del);
    let names = conf::requests_if_readable(&del).into_iter().map(|rail| rail.env.ifname);
    assert_eq!(names.collect::<Vec<_>>(), ["net1", "net2"]);
}

#[test]
fn what_is_on_record_stays_what_it_was() {
    let devices =
        vec![("net1".to_owned(), "0000:5e:00.2".to_owned()), ("gpu1".to_owned(), "0000:3b:00.2".to_owned())];
    let written = vec![json!("eno10"), json!({ "vlan": 7, "ifname": "gpu1" })];
    let asked = request(&json!({ "resources": ["x/a"], "rails": written }), Command::Check);
    let wish = of_pod(&asked);
    let resolved = with(&asked, "rails", on_record(wish.rails, devices)).unwrap();
    let rails = conf::rails(&resolved).unwrap();
    let of = |position: usize| {
        let request = &rails[position].request;
        (request.env.ifname.as_str(), request.config.at(&["deviceID"]).unwrap().as_str().unwrap())
    };
    assert_eq!([of(0), of(1)], [("net1", "0000:5e:00.2"), ("gpu1", "0000:3b:00.2")]);
    assert_eq!(rails[1].request.config.at(&["vlan"]), Some(&json!(7)));
    assert!(rails[0].request.config.at(&["devices"]).is_none());
}
