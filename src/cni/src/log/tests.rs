use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use serde_json::json;
use tracing::level_filters::LevelFilter;

use super::*;

#[test]
fn time_is_rfc3339_in_utc() {
    let cases = [
        (0, "1970-01-01T00:00:00.007Z"),
        (951_782_400, "2000-02-29T00:00:00.007Z"),
        (951_868_799, "2000-02-29T23:59:59.007Z"),
        (1_772_323_199, "2026-02-28T23:59:59.007Z"),
        (1_772_323_200, "2026-03-01T00:00:00.007Z"),
        (4_107_542_400, "2100-03-01T00:00:00.007Z"),
    ];
    for (seconds, expected) in cases {
        assert_eq!(clock::rfc3339(UNIX_EPOCH + Duration::new(seconds, 7_999_999)), expected);
    }
    assert_eq!(clock::rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
    assert_eq!(clock::rfc3339_of(951_868_799), "2000-02-29T23:59:59Z");
    // Whatever a damaged file says.
    assert!(clock::rfc3339_of(u64::MAX).ends_with('Z'));
}

#[test]
fn levels_have_the_names_of_all_peers() {
    let level = |value: Value| options::read(&json!({ "logLevel": value })).level;
    for (name, expected) in [
        ("panic", LevelFilter::ERROR),
        ("Error", LevelFilter::ERROR),
        ("warning", LevelFilter::WARN),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("DEBUG", LevelFilter::DEBUG),
        ("verbose", LevelFilter::TRACE),
        ("loud", LevelFilter::INFO),
        ("", LevelFilter::INFO),
    ] {
        assert_eq!(level(name.into()), expected, "{name}");
    }
    assert_eq!(level(json!(7)), LevelFilter::INFO);
}

#[test]
fn keys_have_the_names_of_all_peers() {
    let cases = [
        json!({ "logLevel": "debug", "logFile": "/a" }),
        json!({ "log_level": "debug", "log_file_path": "/a" }),
        json!({ "logOptions": { "logLevel": "debug", "logFile": "/a" } }),
        json!({ "logLevel": "debug", "logFile": "", "logOptions": { "logLevel": "error", "logFile": "/a" } }),
    ];
    for config in &cases {
        let options = options::read(config);
        assert_eq!((options.level, options.file), (LevelFilter::DEBUG, Some("/a")), "{config}");
    }
}

#[test]
fn one_call_logs_128_kib_at_most_and_each_warning_once() {
    use subscriber::{Fate, Written};
    let mut written = Written::default();
    assert_eq!(written.fate(true, "key \"a\" means nothing", 1 << 10), Fate::Written);
    assert_eq!(written.fate(true, "key \"a\" means nothing", 1 << 10), Fate::Dropped, "of another rail");
    for _ in 0..127 {
        assert_eq!(written.fate(false, "the same", 1 << 10), Fate::Written, "only warnings are compared");
    }
    assert_eq!(written.fate(false, "more", 1), Fate::First);
    assert_eq!(written.fate(false, "more", 1), Fate::Dropped);
}

proptest! {
    /// A shell that reads the line finds one word, and it means what was written.
    #[test]
    fn a_logged_value_is_one_line_and_runs_nothing(text in "[a-z$`\"'\\\\;|&<>(){}!*\n\r\t\0\u{1b}\u{85}\u{9b}\u{202e} ]{0,12}|.{0,12}") {
        let mut line = String::new();
        subscriber::push(&mut line, "master", &text);
        prop_assert!(!line.contains(char::is_control), "{line:?}");
        let quoted = line.strip_prefix(" master=\"").and_then(|rest| rest.strip_suffix('"')).unwrap();
        let mut escaped = false;
        for c in quoted.chars() {
            prop_assert!(escaped || !matches!(c, '"' | '$' | '`'), "{line:?}");
            escaped = !escaped && c == '\\';
        }
        prop_assert!(!escaped, "{line:?}");
    }
}
