//! Network config lists, as a driver reads them: which plugins to call, and what each of them gets on stdin.

mod inject;

use serde_json::{Map, Value};

use crate::{Error, Version, env, lenient};

pub use inject::Injection;

/// A network, from a `.conflist` or from a single plugin's `.conf`.
#[derive(Clone, Debug)]
pub struct NetworkList {
    /// `name`
    pub name: String,
    /// The highest of `cniVersion` and `cniVersions` that we know.
    pub cni_version: Version,
    /// CHECK is not to be called.
    pub disable_check: bool,
    /// GC is not to be called.
    pub disable_gc: bool,
    /// If not, the driver also appends `<dir of the list>/<name>/*.conf`, see [`NetworkList::append`].
    pub load_only_inlined_plugins: bool,
    /// In the order of ADD; DEL goes backwards.
    pub plugins: Vec<PluginConf>,
}

/// One plugin of a network.
#[derive(Clone, Debug)]
pub struct PluginConf {
    /// `type`, the file name of the binary.
    pub plugin_type: String,
    object: Map<String, Value>,
}

impl NetworkList {
    /// Reads either form; an error (code 6 or 7) names the key.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let value = parse_object(bytes)?;
        let plugins = match lenient::member(&value, "plugins") {
            Some(plugins) => parse_plugins(plugins)?,
            None if lenient::member(&value, "type").is_some() => vec![PluginConf::parse(&value)?],
            None => {
                return Err(Error::invalid_config(
                    "a network config has \"plugins\", or the \"type\" of a single one",
                ));
            }
        };
        Ok(Self {
            name: name(&value)?,
            cni_version: version(&value)?,
            disable_check: flag(&value, "disableCheck")?,
            disable_gc: flag(&value, "disableGC")?,
            load_only_inlined_plugins: flag(&value, "loadOnlyInlinedPlugins")?,
            plugins,
        })
    }

    /// Appends a plugin from a file of its own.
    pub fn append(&mut self, conf: &[u8]) -> Result<(), Error> {
        self.plugins.push(PluginConf::parse(&parse_object(conf)?)?);
        Ok(())
    }
}

impl PluginConf {
    fn parse(value: &Value) -> Result<Self, Error> {
        let object = value
            .as_object()
            .ok_or_else(|| Error::invalid_config(format!("a plugin is an object, not {value}")))?;
        let plugin_type = text(value, "type")?;
        if plugin_type.is_empty() {
            return Err(Error::invalid_config("a plugin has no \"type\""));
        }
        Ok(Self { plugin_type, object: object.clone() })
    }

    /// Whether the plugin declares this capability.
    pub fn has_capability(&self, name: &str) -> bool {
        self.object.get("capabilities").and_then(|declared| declared.get(name)) == Some(&Value::Bool(true))
    }
}

fn parse_object(bytes: &[u8]) -> Result<Value, Error> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|e| Error::decode(format!("cannot decode the network config: {e}")))?;
    if value.is_object() { Ok(value) } else { Err(Error::decode("a network config is a JSON object")) }
}

fn parse_plugins(list: &Value) -> Result<Vec<PluginConf>, Error> {
    let list = list.as_array().ok_or_else(|| Error::invalid_config("\"plugins\" is a list of objects"))?;
    let place = |(i, plugin)| {
        PluginConf::parse(plugin)
            .map_err(|e| Error::invalid_config(format!("key \"plugins[{i}]\": {}", e.msg)))
    };
    list.iter().enumerate().map(place).collect()
}

fn text(value: &Value, key: &str) -> Result<String, Error> {
    let Some(value) = lenient::member(value, key) else { return Ok(String::new()) };
    Ok(lenient::from_value(value).map_err(|e| e.below(key))?)
}

fn name(value: &Value) -> Result<String, Error> {
    let name = text(value, "name")?;
    if env::is_identifier(&name) {
        return Ok(name);
    }
    let allowed = "a letter or digit, then letters, digits, \"_\", \".\" and \"-\"";
    Err(Error::invalid_config(format!("key \"name\" has the value \"{name}\": expected {allowed}")))
}

/// Versions that nobody knows yet are left to newer drivers, as long as one is known.
fn version(value: &Value) -> Result<Version, Error> {
    let single = text(value, "cniVersion")?;
    let several: Vec<String> = match lenient::member(value, "cniVersions") {
        Some(list) => lenient::from_value(list).map_err(|e| e.below("cniVersions"))?,
        None => Vec::new(),
    };
    if single.is_empty() && several.is_empty() {
        return Ok(Version::IMPLIED);
    }
    let asked = || several.iter().chain([&single]).filter(|text| !text.is_empty());
    let known = asked().filter_map(|text| text.parse().ok()).max();
    known.ok_or_else(|| {
        let supported = Version::ALL.map(Version::as_str).join(", ");
        let asked = asked().map(String::as_str).collect::<Vec<_>>().join(", ");
        Error::incompatible_version(format!("none of the config's versions is supported: {asked}"))
            .with_details(format!("supported are {supported}"))
    })
}

/// A flag that libcni also accepts as text.
fn flag(value: &Value, key: &str) -> Result<bool, Error> {
    match lenient::member(value, key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.is_empty() || text.eq_ignore_ascii_case("false") => Ok(false),
        Some(other) => {
            Err(Error::invalid_config(format!("key \"{key}\" has the value {other}: expected true or false")))
        }
    }
}

#[cfg(test)]
mod tests;
