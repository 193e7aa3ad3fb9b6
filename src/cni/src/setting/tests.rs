use std::net::IpAddr;

use super::*;
use crate::{CniArgs, Command, Config, Env};

const NAMES: Names<'_> = Names { runtime_config: "ips", args_cni: "ips", cni_args: "IP", config: "ip" };

fn request(args: &str, keys: &str) -> Request {
    let config = Config::parse(format!(r#"{{"name":"rail1"{keys}}}"#).into_bytes(), Command::Add).unwrap();
    let env = Env {
        command: Command::Add,
        container_id: "pod".into(),
        netns: None,
        ifname: "net1".into(),
        args: CniArgs::parse(args),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    Request { env, config }
}

fn list(args: &str, keys: &str) -> Option<(Vec<String>, String)> {
    let setting = request(args, keys).list_setting::<IpAddr>(NAMES).unwrap()?;
    Some((setting.value.iter().map(ToString::to_string).collect(), setting.source.to_string()))
}

fn from(values: &[&str], source: &str) -> (Vec<String>, String) {
    (values.iter().map(ToString::to_string).collect(), source.to_owned())
}

#[test]
fn first_source_that_has_a_value_counts() {
    let runtime = r#","runtimeConfig":{"ips":["10.0.0.1"]}"#;
    let args = r#","args":{"cni":{"ips":["10.0.0.2"]}}"#;
    let config = r#","ip":"10.0.0.4""#;
    let all = format!("{runtime}{args}{config}");
    assert_eq!(list("IP=10.0.0.3", &all), Some(from(&["10.0.0.1"], "runtimeConfig.ips")));
    assert_eq!(list("IP=10.0.0.3", &format!("{args}{config}")), Some(from(&["10.0.0.2"], "args.cni.ips")));
    assert_eq!(list("IP=10.0.0.3,fd00::3", config), Some(from(&["10.0.0.3", "fd00::3"], "CNI_ARGS.IP")));
    assert_eq!(list("", config), Some(from(&["10.0.0.4"], "ip")));
    assert_eq!(list("", ""), None);
}

#[test]
fn blank_values_leave_it_to_the_next_source() {
    let keys = r#","runtimeConfig":{"ips":[]},"args":{"cni":{"ips":""}},"ip":["10.0.0.4"]"#;
    assert_eq!(list("IP=", keys), Some(from(&["10.0.0.4"], "ip")));
}

#[test]
fn source_without_a_name_is_not_asked() {
    let names = Names { runtime_config: "mac", ..Names::default() };
    let request = request("MAC=1;=2", r#","":"x","args":{"cni":{"":"x","mac":"y"}},"mac":"z""#);
    assert_eq!(request.setting::<String>(names), Ok(None));
    let only_runtime = Names { config: "mac", ..names };
    assert_eq!(request.setting::<String>(only_runtime).unwrap().unwrap().value, "z");
}

#[test]
fn error_names_the_source() {
    let error = request("IP=10.0.0.1,x", "").list_setting::<IpAddr>(NAMES).unwrap_err();
    let expected = r#"key "CNI_ARGS.IP[1]" has the value "x": invalid IP address syntax"#;
    assert_eq!(error, Error::invalid_env(expected));
    let error = request("", r#","runtimeConfig":{"ips":[5]}"#).list_setting::<IpAddr>(NAMES).unwrap_err();
    assert!(error.msg.contains(r#"key "runtimeConfig.ips[0]" has the value 5"#), "{error}");
}
