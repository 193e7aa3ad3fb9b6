use super::*;

fn settings() -> NetdevSettings {
    NetdevSettings {
        group: 3,
        alias: "rail 1".to_owned(),
        tx_queue_len: Some(1000),
        link_mode: 0,
        flags: LinkFlags::Multicast.bits(),
        limits: Limits { gso_max_size: Some(65536), ..Limits::default() },
        offloads: None,
    }
}

#[test]
fn a_record_is_read_again_and_one_without_them_as_unknown() {
    let text = serde_json::to_string(&settings()).unwrap();
    assert_eq!(serde_json::from_str::<NetdevSettings>(&text).unwrap(), settings());
    let older = r#"{"group":0,"txQueueLen":1000,"linkMode":0,"flags":4096}"#;
    let read: NetdevSettings = serde_json::from_str(older).unwrap();
    assert_eq!((read.alias.as_str(), read.limits, read.offloads), ("", Limits::default(), None));
}
