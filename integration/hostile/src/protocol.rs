//! What a runtime, an annotation or another plugin brings.

use cni::{CniArgs, CniResult, Command, Config, Env, Request, ValidAttachments, Version};

/// Stdin of a plugin: there is a config or a typed error, for every verb.
pub(crate) fn config(bytes: &[u8]) {
    for command in [Command::Add, Command::Del, Command::Gc] {
        if let Ok(config) = Config::parse(bytes.to_vec(), command) {
            let _ = config.runtime_config::<serde_json::Value>();
            let _ = config.args_cni::<serde_json::Value>();
            let _ = ValidAttachments::from_config(&config);
        }
    }
    let _ = cni::conflist::NetworkList::parse(bytes);
}

/// The same as the plugins that are libraries read it. The others, and those, are run as processes by `integration/netns`.
pub(crate) fn conf(bytes: &[u8]) {
    let Ok(config) = Config::parse(bytes.to_vec(), Command::Add) else { return };
    let env = Env {
        command: Command::Add,
        container_id: "cid".to_owned(),
        netns: None,
        ifname: "net1".to_owned(),
        args: CniArgs::parse(""),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    let request = Request { env, config };
    let refusals = [
        macvlan::Conf::of(&request).err(),
        ipvlan::Conf::of(&request).err(),
        ipoib::Conf::of(&request).err(),
        sriov::wanted(&request).err(),
        ib_sriov::wanted(&request).err(),
        rdma::wanted(&request).err(),
        rail::rails(&request).err(),
    ];
    for error in refusals.into_iter().flatten() {
        assert!(!error.msg.is_empty() && error.code > 0, "{error}");
    }
}

/// Results of delegates and prevResult: what we say of one is understood, and said again in the same way.
pub(crate) fn result(bytes: &[u8]) {
    for version in Version::ALL {
        let Ok(result) = CniResult::from_slice(bytes, version) else { continue };
        if let Ok(value) = result.to_value(Version::LATEST) {
            let again = CniResult::from_value(&value, Version::LATEST).expect("our own result is understood");
            assert_eq!(again.to_value(Version::LATEST).expect("our own result can be said"), value);
        }
    }
}

pub(crate) fn cni_args(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let args = CniArgs::parse(&text);
    let _ = args.allow(&["IP", "MAC"]);
    let _ = args.get_bool("IgnoreUnknown");
    assert_eq!(args.as_str(), text);
    args.list("IP").for_each(|part| assert!(!part.is_empty()));
}
