use cni::Command;
use serde_json::json;

use super::*;

fn read(detection: &Value) -> Result<Option<Detection>, String> {
    let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "detection": detection });
    let config = Config::parse(config.to_string().into_bytes(), Command::Add).unwrap();
    Detection::of(&config).map_err(|error| error.msg.clone())
}

fn both() -> Detection {
    let time = Duration::from_millis(100);
    Detection { conflict: true, gateway: true, retries: 3, interval: time, timeout: time }
}

#[test]
fn nothing_is_detected_unless_asked_for() {
    for off in [json!(null), json!(false), json!({}), json!({ "retries": 5 }), json!({ "gateway": false })] {
        assert_eq!(read(&off), Ok(None), "{off}");
    }
}

#[test]
fn each_key_counts() {
    assert_eq!(read(&json!(true)), Ok(Some(both())));
    assert_eq!(read(&json!({ "gateway": true })), Ok(Some(Detection { conflict: false, ..both() })));
    assert_eq!(read(&json!({ "conflict": true })), Ok(Some(Detection { gateway: false, ..both() })));
    let all = json!({ "conflict": true, "gateway": true, "retries": 2, "interval": "20ms", "timeout": "1s" });
    let wanted = Detection {
        retries: 2,
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(1),
        ..both()
    };
    assert_eq!(read(&all), Ok(Some(wanted)));
    assert_eq!(wanted.duration(), Duration::from_millis(1020));
}

#[test]
fn bad_values_are_refused_by_name() {
    let said = |detection: Value| read(&detection).unwrap_err();
    assert!(said(json!("yes")).starts_with("detection \"yes\": expected true, false, or an object"));
    for retries in [0, 11] {
        let text = said(json!({ "gateway": true, "retries": retries }));
        assert_eq!(text, format!("detection.retries {retries}: expected 1 to 10"));
    }
    for time in ["1", "ms", "-1s", "1.5s", "9ms", "11s", "1m", "100 ms", "99999999999999999999s"] {
        for key in ["interval", "timeout"] {
            let text = said(json!({ "gateway": true, key: time }));
            assert!(text.starts_with(&format!("detection.{key} {time:?}: expected a time")), "{text}");
        }
    }
    assert!(said(json!({ "gateway": "on" })).contains("detection.gateway"));
}
