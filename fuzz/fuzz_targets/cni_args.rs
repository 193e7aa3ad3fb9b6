//! `CNI_ARGS`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let args = cni::CniArgs::parse(text);
    let _ = args.allow(&["IP", "MAC"]);
    let _ = args.get_bool("IgnoreUnknown");
    assert_eq!(args.as_str(), text);
    args.list("IP").for_each(|part| assert!(!part.is_empty()));
});
