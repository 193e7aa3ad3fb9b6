use serde_json::Value;
use tracing::level_filters::LevelFilter;

use crate::lenient;

/// What a config says about its log. A value of a wrong type is as good as none: the log must not fail a call.
pub(super) struct Options<'a> {
    pub(super) level: LevelFilter,
    pub(super) file: Option<&'a str>,
    pub(super) plugin_type: &'a str,
}

pub(super) fn read(config: &Value) -> Options<'_> {
    Options {
        level: level(text(config, &["logLevel", "log_level"]).unwrap_or("info")),
        file: text(config, &["logFile", "log_file_path"]),
        plugin_type: lenient::member(config, "type").and_then(Value::as_str).unwrap_or_default(),
    }
}

fn text<'a>(config: &'a Value, keys: &[&str]) -> Option<&'a str> {
    let nested = lenient::member(config, "logOptions");
    let find = |object: &'a Value| {
        let texts = keys.iter().filter_map(|key| lenient::member(object, key)?.as_str());
        texts.into_iter().find(|text| !text.is_empty())
    };
    find(config).or_else(|| find(nested?))
}

fn level(name: &str) -> LevelFilter {
    match name.to_ascii_lowercase().as_str() {
        "panic" | "fatal" | "error" => LevelFilter::ERROR,
        "warning" | "warn" => LevelFilter::WARN,
        "debug" => LevelFilter::DEBUG,
        "verbose" | "trace" => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    }
}
