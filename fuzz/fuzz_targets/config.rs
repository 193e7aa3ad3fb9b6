//! Stdin of a plugin: whatever it holds, there is a config or a typed error, for every verb.
#![no_main]

use cni::{Command, Config, ValidAttachments};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for command in [Command::Add, Command::Del, Command::Gc] {
        if let Ok(config) = Config::parse(data.to_vec(), command) {
            let _ = config.runtime_config::<serde_json::Value>();
            let _ = config.args_cni::<serde_json::Value>();
            let _ = ValidAttachments::from_config(&config);
        }
    }
    let _ = cni::conflist::NetworkList::parse(data);
});
