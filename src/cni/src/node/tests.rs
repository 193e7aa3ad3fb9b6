use std::path::Path;

use serde_json::json;

use super::*;

fn node(text: &str) -> Result<Node, String> {
    Node::parse(&yaml::documents(text).unwrap()[0])
}

#[test]
fn what_no_path_can_be_is_refused_by_key_and_value() {
    for (text, said) in [
        (
            "paths: {logfiles: [/var/log]}",
            "paths: there is no key \"logfiles\": allowed are logFile, resolvConf",
        ),
        ("paths: {logFile: /var/log}", "paths.logFile \"/var/log\": expected a list of absolute paths"),
        ("paths: {dataDir: [data]}", "paths.dataDir"),
        ("paths: {dataDir: [/var/../etc]}", "without .."),
        ("paths: {resolvConf: [7]}", "paths.resolvConf [7]"),
        ("paths: []", "paths"),
        ("wholeFunctions: 7", "wholeFunctions"),
        ("wholeMasters: eth0", "wholeMasters"),
    ] {
        let error = node(text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
    node("paths:\ncoordinator: {mode: overlay}\n").unwrap();
    assert_eq!(node("wholeFunctions: ['0000:06:00.0']").unwrap().whole_functions, ["0000:06:00.0"]);
    assert_eq!(node("wholeMasters: [eth0]").unwrap().whole_masters, ["eth0"]);
}

#[test]
fn a_path_is_below_a_root_by_its_components() {
    for path in ["/var/log/railcni/a.log", "/var/log/spidernet/deep/er/b.log"] {
        allowed(Named::LogFile, "logFile", Path::new(path)).unwrap();
    }
    allowed(Named::ResolvConf, "resolvConf", Path::new("/etc/resolv.conf")).unwrap();
    for path in [
        "relative.log",
        "",
        "/var/log/railcni/../cron.d/a",
        "/var/log/railcnix/a.log",
        "/var/log/syslog",
        "/etc/cron.d/rail",
        "/proc/self/mem",
        "/",
    ] {
        for named in [Named::LogFile, Named::ResolvConf, Named::DataDir, Named::DeviceInfoFile] {
            let error = allowed(named, "someKey", Path::new(path)).unwrap_err();
            assert!(error.code == crate::code::INVALID_CONFIG, "{error}");
            assert!(error.msg.starts_with(&format!("someKey {path:?}: ")), "{error}");
        }
    }
    let error = allowed(Named::DataDir, "ipam.dataDir", Path::new("/srv/leases")).unwrap_err();
    let said = json!(error.msg).to_string();
    assert!(
        said.contains("/var/lib/cni") && said.contains("paths.dataDir in /etc/railcni/node.yaml"),
        "{said}"
    );
}
