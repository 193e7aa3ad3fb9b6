use serde::Deserialize;

use super::*;
use crate::code;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Conf {
    master: String,
    mtu: Option<u32>,
    #[serde(rename = "rdmaIsolation")]
    rdma_isolation: bool,
}

fn parse(command: Command, keys: &str) -> Result<Config, Error> {
    Config::parse(format!(r#"{{"cniVersion":"1.0.0","name":"rail1"{keys}}}"#).into_bytes(), command)
}

fn config(keys: &str) -> Config {
    parse(Command::Add, keys).unwrap()
}

#[test]
fn common_keys_are_read() {
    let config = config(
        r#","Type":"macvlan","ipam":{"type":"rail-ipam"},"dns":{"search":["hpc"]},
           "prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"net1"}]}"#,
    );
    assert_eq!((config.cni_version, config.plugin_type.as_str()), (Version::V1_0_0, "macvlan"));
    assert_eq!(config.ipam_type.as_deref(), Some("rail-ipam"));
    assert_eq!(config.dns.search, ["hpc"]);
    assert_eq!(config.require_prev_result().unwrap().interfaces[0].name, "net1");
}

#[test]
fn absent_null_and_empty_are_the_same() {
    for keys in [
        "",
        r#","ipam":null,"dns":null,"prevResult":null"#,
        r#","ipam":{},"dns":{}"#,
        r#","ipam":{"type":""}"#,
    ] {
        let config = config(keys);
        assert_eq!((config.ipam_type.as_deref(), &config.dns), (None, &Dns::default()), "{keys}");
        assert_eq!(config.require_prev_result().unwrap_err().msg, "required prevResult missing");
    }
}

#[test]
fn previous_result_is_of_the_version_of_the_config() {
    let old = r#"{"name":"rail1","cniVersion":"0.2.0","prevResult":{"ip4":{"ip":"10.1.2.3/24"}}}"#;
    let config = Config::parse(old.into(), Command::Add).unwrap();
    assert_eq!(config.prev_result.unwrap().ips[0].address.to_string(), "10.1.2.3/24");
}

#[test]
fn damage_stops_add_but_not_del() {
    let cases = [
        (r#","type":5"#, "type"),
        (r#","ipam":"host-local""#, "ipam"),
        (r#","ipam":{"type":["a"]}"#, "ipam.type"),
        (r#","dns":{"nameservers":"10.0.0.1"}"#, "dns.nameservers"),
        (r#","prevResult":{"ips":[{"address":"x"}]}"#, "ips[0].address"),
        (r#","prevResult":{"cniVersion":"7.0.0"}"#, "7.0.0"),
    ];
    for (keys, place) in cases {
        for command in [Command::Add, Command::Check, Command::Status] {
            let error = parse(command, keys).unwrap_err();
            assert_eq!(error.code, code::INVALID_CONFIG, "{keys}");
            assert!(error.msg.contains(place), "{keys}: {error}");
        }
        for command in [Command::Del, Command::Gc] {
            assert!(parse(command, keys).is_ok(), "{keys}");
        }
    }
}

#[test]
fn own_keys_are_decoded_leniently() {
    let conf: Conf = config(r#","MASTER":"eth1","mtu":null,"foo":1"#).decode().unwrap();
    assert_eq!(conf, Conf { master: "eth1".into(), ..Conf::default() });
    let error = config(r#","mtu":"9000""#).decode::<Conf>().unwrap_err();
    assert_eq!(error.code, code::INVALID_CONFIG);
    let expected =
        r#"invalid network config: key "mtu" has the value "9000": expected an integer from 0 to 4294967295"#;
    assert_eq!(error.msg, expected);
}

#[test]
fn nested_keys_are_decoded_with_their_path() {
    let config = config(r#","runtimeConfig":{"mtu":9000},"args":{"cni":{"mtu":-1}}"#);
    assert_eq!(config.runtime_config::<Conf>().unwrap().unwrap().mtu, Some(9000));
    let error = config.args_cni::<Conf>().unwrap_err();
    assert!(error.msg.contains(r#"key "args.cni.mtu" has the value -1"#), "{error}");
    assert_eq!(config.decode_at::<Conf>(&["ipam"]), Ok(None));
}

#[test]
fn an_unknown_key_of_a_megabyte_is_shown_by_its_beginning_and_costs_nothing() {
    let long = "$".repeat(1 << 20);
    let config = config(&format!(r#","type":"macvlan","{long}":1"#));
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        let unknown = config.unknown_keys::<Conf>(&[]);
        assert_eq!(unknown[0].path, format!("{}...", "$".repeat(80)));
    }
    // Compared with every field, one of them takes a tenth of a second even in a release.
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    let error = config.decode::<Needs>().unwrap_err().to_string();
    assert!(error.contains("needed") && error.len() < 400, "{} bytes", error.len());
}

#[derive(Debug, Deserialize)]
struct Needs {
    #[serde(rename = "needed")]
    _needed: String,
}

#[test]
fn unknown_keys_come_with_the_field_that_was_meant() {
    let config = config(
        r#","type":"macvlan","mastr":"eth1","enableRdma":true,"to":"x","MTU":1,"cni.dev/x":1,"_comment":"",
           "deviceID":"","runtimeConfig":{"rdmaIsolaton":true}"#,
    );
    let unknown = config.unknown_keys::<Conf>(&[("enablerdma", "rdmaIsolation")]);
    let found: Vec<_> = unknown.iter().map(|key| (key.path.as_str(), key.meant.as_deref())).collect();
    assert_eq!(found, [("enableRdma", Some("rdmaIsolation")), ("mastr", Some("master")), ("to", None)]);
    assert_eq!(
        unknown[1].to_string(),
        r#"key "mastr" means nothing here and is ignored; did you mean "master"?"#
    );
    assert_eq!(unknown[2].to_string(), r#"key "to" means nothing here and is ignored"#);
    let nested = config.unknown_keys_at::<Conf>(&["runtimeConfig"], &[]);
    assert_eq!(nested[0].path, "runtimeConfig.rdmaIsolaton");
    assert_eq!(nested[0].meant.as_deref(), Some("rdmaIsolation"));
    assert!(config.unknown_keys_at::<Conf>(&["ipam"], &[]).is_empty());
}
