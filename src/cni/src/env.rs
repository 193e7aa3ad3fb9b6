//! The `CNI_*` environment of one call.

use std::env;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{CniArgs, Error, Version};

/// The verb in `CNI_COMMAND`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "a variant is the verb that it names")]
pub enum Command {
    Add,
    Check,
    Del,
    Gc,
    Status,
    Version,
}

/// The validated environment. Fields that a verb does not need are empty when they are not given.
#[derive(Clone, Debug)]
pub struct Env {
    /// `CNI_COMMAND`
    pub command: Command,
    /// `CNI_CONTAINERID`
    pub container_id: String,
    /// `CNI_NETNS`; `None` when empty, as at a DEL after the namespace went. Not opened yet.
    pub netns: Option<PathBuf>,
    /// `CNI_IFNAME`
    pub ifname: String,
    /// `CNI_ARGS`, not checked yet: see [`CniArgs::allow`].
    pub args: CniArgs,
    /// `CNI_PATH`, the directories to search for delegates.
    pub path: Vec<PathBuf>,
    /// From a plugin of this suite to its IPAM: addresses of this attachment that other hosts use. In a variable, which only
    /// the runtime and the plugin above can set, and never in the config, which a tenant may have written.
    pub declined: Vec<IpAddr>,
    /// The same at DEL: no record tells that the interface is gone, so its addresses are taken off the pod before they are free.
    pub unrecorded: bool,
}

/// The variable of [`Env::declined`].
const DECLINED: &str = "RAILCNI_DECLINED_IPS";
/// That of [`Env::unrecorded`].
const UNRECORDED: &str = "RAILCNI_UNRECORDED";

impl Command {
    /// Its name in `CNI_COMMAND`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    /// The name of its handler in the log, as operators' conformance suites look for it.
    pub(crate) const fn func(self) -> &'static str {
        match self {
            Self::Add => "cmdAdd",
            Self::Check => "cmdCheck",
            Self::Del => "cmdDel",
            Self::Gc => "cmdGC",
            Self::Status => "cmdStatus",
            Self::Version => "cmdVersion",
        }
    }

    /// The first version of the specification that has this verb.
    pub(crate) const fn since(self) -> Version {
        match self {
            Self::Add | Self::Del | Self::Version => Version::V0_1_0,
            Self::Check => Version::V0_4_0,
            Self::Gc | Self::Status => Version::V1_1_0,
        }
    }
}

impl FromStr for Command {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Self::Add, Self::Check, Self::Del, Self::Gc, Self::Status, Self::Version];
        let unknown = || Error::invalid_env(format!("unknown CNI_COMMAND: {text}"));
        all.into_iter().find(|command| command.as_str() == text).ok_or_else(unknown)
    }
}

impl Env {
    /// `CNI_NETNS`, for the verbs that cannot do without.
    pub fn require_netns(&self) -> Result<&Path, Error> {
        self.netns.as_deref().ok_or_else(|| {
            Error::netns("CNI_NETNS is empty: the runtime names the pod's network namespace there")
        })
    }

    /// The six variables of a call with this verb, for a delegate or by a driver, and ours if there is something to say.
    pub fn variables(&self, command: Command) -> Vec<(String, OsString)> {
        let netns = self.netns.as_ref().map(|path| path.clone().into_os_string());
        // Only a directory with a colon cannot be joined, and such a one never came out of CNI_PATH.
        let path = env::join_paths(&self.path).unwrap_or_default();
        let variables: [(&str, OsString); 6] = [
            ("CNI_COMMAND", command.as_str().into()),
            ("CNI_CONTAINERID", self.container_id.as_str().into()),
            ("CNI_NETNS", netns.unwrap_or_default()),
            ("CNI_IFNAME", self.ifname.as_str().into()),
            ("CNI_ARGS", self.args.as_str().into()),
            ("CNI_PATH", path),
        ];
        let declined: Vec<_> = self.declined.iter().map(ToString::to_string).collect();
        let ours = (!declined.is_empty()).then(|| (DECLINED, declined.join(",").into()));
        let ours = ours.into_iter().chain(self.unrecorded.then(|| (UNRECORDED, "1".into())));
        variables.into_iter().chain(ours).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The variables as the environment has them; empty is the same as missing.
#[derive(Debug, Default)]
pub(crate) struct RawEnv {
    pub(crate) command: String,
    container_id: String,
    netns: OsString,
    ifname: String,
    args: String,
    path: OsString,
    declined: String,
    unrecorded: bool,
    /// `CNI_NETNS_OVERRIDE`: the plugin may work in its own namespace.
    pub(crate) own_netns_allowed: bool,
}

impl RawEnv {
    pub(crate) fn read(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let text = |name| variable(name).unwrap_or_default().to_string_lossy().into_owned();
        let allowed = text("CNI_NETNS_OVERRIDE");
        Self {
            command: text("CNI_COMMAND"),
            container_id: text("CNI_CONTAINERID"),
            netns: variable("CNI_NETNS").unwrap_or_default(),
            ifname: text("CNI_IFNAME"),
            args: text("CNI_ARGS"),
            path: variable("CNI_PATH").unwrap_or_default(),
            declined: text(DECLINED),
            unrecorded: text(UNRECORDED) == "1",
            own_netns_allowed: allowed == "1" || allowed.eq_ignore_ascii_case("true"),
        }
    }

    /// In the order of the reference: an invalid value at once, what is missing together.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let command = self.command.as_str();
        let attaches = matches!(command, "ADD" | "CHECK" | "DEL");
        let mut missing = Vec::new();
        if attaches && present(&mut missing, "CNI_CONTAINERID", self.container_id.is_empty()) {
            validate_container_id(&self.container_id)?;
        }
        if matches!(command, "ADD" | "CHECK") {
            present(&mut missing, "CNI_NETNS", self.netns.is_empty());
        }
        if attaches && present(&mut missing, "CNI_IFNAME", self.ifname.is_empty()) {
            validate_ifname(&self.ifname)?;
        }
        if attaches || matches!(command, "GC" | "STATUS") {
            present(&mut missing, "CNI_PATH", self.path.is_empty());
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::invalid_env(format!("required env variables [{}] missing", missing.join(","))))
    }

    pub(crate) fn into_env(self, command: Command) -> Env {
        Env {
            command,
            container_id: self.container_id,
            netns: (!self.netns.is_empty()).then(|| PathBuf::from(self.netns)),
            ifname: self.ifname,
            args: CniArgs::parse(&self.args),
            path: env::split_paths(&self.path).filter(|dir| !dir.as_os_str().is_empty()).collect(),
            declined: self.declined.split(',').filter_map(|ip| ip.parse().ok()).collect(),
            unrecorded: self.unrecorded,
        }
    }
}

/// Whether the variable is there; notes its name if it is not.
fn present(missing: &mut Vec<&'static str>, name: &'static str, is_empty: bool) -> bool {
    if is_empty {
        missing.push(name);
    }
    !is_empty
}

/// The form of `CNI_CONTAINERID`; an error (code 4) carries the value.
pub fn validate_container_id(id: &str) -> Result<(), Error> {
    if is_identifier(id) {
        return Ok(());
    }
    Err(Error::invalid_env("invalid characters in containerID").with_details(id))
}

/// The form of `CNI_IFNAME`, at most 15 bytes as in the kernel; an error (code 4) carries the value.
pub fn validate_ifname(ifname: &str) -> Result<(), Error> {
    let problem = if ifname.is_empty() {
        "interface name is empty"
    } else if ifname.len() > 15 {
        "interface name is too long"
    } else if ifname == "." || ifname == ".." {
        "interface name is . or .."
    } else if ifname.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) {
        "interface name contains / or : or whitespace characters"
    } else if ifname.contains('%') {
        "interface name contains %, which the kernel takes for a pattern"
    } else {
        return Ok(());
    };
    Err(Error::invalid_env(problem)
        .with_details(format!("CNI_IFNAME is {ifname:?}, at most 15 bytes are allowed")))
}

/// `[A-Za-z0-9][A-Za-z0-9_.-]*`, the form of container IDs and network names.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}
