use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One thing of the node that can be read, set, and set back. In the record, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "key", rename_all = "camelCase")]
#[expect(missing_docs, reason = "fields are what their names say")]
pub enum Key {
    /// A number of bytes.
    Mtu { link: String },
    /// Present: up.
    Up { link: String },
    /// Of a link.
    Address { link: String, net: IpNet },
    /// By a link, unicast.
    Route { link: String, dst: IpNet, gateway: Option<IpAddr>, table: u32 },
    /// From an address, or not to a subnet.
    Rule { priority: u32, from: Option<IpNet>, not_to: Option<IpNet>, table: u32 },
    /// The number of VFs of a PF.
    Vfs { link: String },
    /// Present: drivers take new VFs by themselves.
    VfAutoprobe { link: String },
    /// `exclusive` or `shared`.
    RdmaMode,
    /// The priorities that pause, a bit each.
    Pfc { link: String },
    /// The priority that a DSCP stands for.
    Dscp { link: String, dscp: u8 },
    /// The shares of traffic classes, as [`Shares`](crate::Shares) is shown.
    Ets { link: String },
    /// Buffers of priorities, as [`Memory`](crate::Memory) is shown.
    Buffers { link: String },
    /// The name of the interface of a PCI function.
    Name { pci: String },
    /// A directory that the kernel fills, as configfs has it. Paths are below the root.
    Directory { path: PathBuf },
    /// A file of the kernel.
    Attribute { path: PathBuf },
    /// A file of the node's own disk.
    File { path: PathBuf },
    /// A symbolic link there.
    Symlink { path: PathBuf },
}

/// What a key has, or is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Value {
    /// There is none.
    Absent,
    /// There is.
    Present,
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
    /// There is, and it was made by somebody else. Never on record.
    #[serde(skip)]
    Others,
}

impl Value {
    /// Whether something is there.
    pub fn of(present: bool) -> Self {
        if present { Self::Present } else { Self::Absent }
    }
}

impl Key {
    /// Outlives a boot, so its record does.
    pub fn is_durable(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Symlink { .. })
    }

    /// What it has in the middle of a change, where that takes two steps: who is killed there has left it so.
    pub fn between(&self) -> Option<Value> {
        match self {
            Self::Vfs { .. } => Some(Value::Number(0)),
            Self::Dscp { .. } | Self::Symlink { .. } => Some(Value::Absent),
            _ => None,
        }
    }

    /// The link that it goes with: what is set on one that gets the name later is not ours.
    pub fn link(&self) -> Option<&str> {
        match self {
            Self::Mtu { link }
            | Self::Up { link }
            | Self::Address { link, .. }
            | Self::Route { link, .. } => Some(link),
            _ => None,
        }
    }

    /// How it comes to have this: the message or the file.
    pub fn by(&self, to: &Value) -> String {
        if *to == Value::Absent
            && let Some(removal) = self.removal()
        {
            return removal.to_owned();
        }
        match self {
            Self::Mtu { .. } | Self::Up { .. } | Self::Name { .. } => "RTM_SETLINK".to_owned(),
            Self::Address { .. } => "RTM_NEWADDR".to_owned(),
            Self::Route { .. } => "RTM_NEWROUTE".to_owned(),
            Self::Rule { .. } => "RTM_NEWRULE".to_owned(),
            Self::Vfs { link } => format!("/sys/class/net/{link}/device/sriov_numvfs"),
            Self::VfAutoprobe { link } => format!("/sys/class/net/{link}/device/sriov_drivers_autoprobe"),
            Self::RdmaMode => "RDMA_NLDEV_CMD_SYS_SET".to_owned(),
            Self::Pfc { .. } => "RTM_SETDCB, DCB_ATTR_IEEE_PFC".to_owned(),
            Self::Dscp { .. } => "RTM_SETDCB, DCB_ATTR_IEEE_APP_TABLE".to_owned(),
            Self::Ets { .. } => "RTM_SETDCB, DCB_ATTR_IEEE_ETS".to_owned(),
            Self::Buffers { .. } => "RTM_SETDCB, DCB_ATTR_DCB_BUFFER".to_owned(),
            Self::Directory { .. } => "mkdir".to_owned(),
            Self::Attribute { .. } | Self::File { .. } => "write".to_owned(),
            Self::Symlink { .. } => "symlink".to_owned(),
        }
    }

    /// How it goes, where that is another message.
    fn removal(&self) -> Option<&'static str> {
        match self {
            Self::Address { .. } => Some("RTM_DELADDR"),
            Self::Route { .. } => Some("RTM_DELROUTE"),
            Self::Rule { .. } => Some("RTM_DELRULE"),
            Self::Directory { .. } => Some("rmdir"),
            Self::File { .. } | Self::Symlink { .. } => Some("unlink"),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mtu { link } => write!(f, "{link}: mtu"),
            Self::Up { link } => write!(f, "{link}: up"),
            Self::Address { link, net } => write!(f, "{link}: address {net}"),
            Self::Route { link, dst, gateway, table } => route(f, link, dst, gateway.as_ref(), *table),
            Self::Rule { priority, from, not_to, table } => {
                rule(f, *priority, from.as_ref(), not_to.as_ref(), *table)
            }
            Self::Vfs { link } => write!(f, "{link}: VFs"),
            Self::VfAutoprobe { link } => write!(f, "{link}: drivers take new VFs"),
            Self::RdmaMode => f.write_str("RDMA netns mode"),
            Self::Pfc { link } => write!(f, "{link}: priority flow control"),
            Self::Dscp { link, dscp } => write!(f, "{link}: priority of DSCP {dscp}"),
            Self::Ets { link } => write!(f, "{link}: traffic classes"),
            Self::Buffers { link } => write!(f, "{link}: buffers"),
            Self::Name { pci } => write!(f, "{pci}: name"),
            Self::Directory { path }
            | Self::Attribute { path }
            | Self::File { path }
            | Self::Symlink { path } => {
                write!(f, "/{}", path.display())
            }
        }
    }
}

fn route(
    f: &mut fmt::Formatter<'_>,
    link: &str,
    dst: &IpNet,
    gateway: Option<&IpAddr>,
    table: u32,
) -> fmt::Result {
    write!(f, "{link}: route ")?;
    if dst.prefix_len() == 0 {
        f.write_str("default")?;
    } else {
        write!(f, "{dst}")?;
    }
    if let Some(gateway) = gateway {
        write!(f, " via {gateway}")?;
    }
    if table == crate::wants::MAIN { Ok(()) } else { write!(f, " table {table}") }
}

fn rule(
    f: &mut fmt::Formatter<'_>,
    priority: u32,
    from: Option<&IpNet>,
    not_to: Option<&IpNet>,
    table: u32,
) -> fmt::Result {
    write!(f, "rule {priority}: ")?;
    match (from, not_to) {
        (Some(from), _) => write!(f, "from {}", from.addr())?,
        (None, Some(to)) => write!(f, "not to {to}")?,
        (None, None) => f.write_str("from all")?,
    }
    if table == crate::wants::MAIN { f.write_str(" lookup main") } else { write!(f, " lookup {table}") }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no"),
            Self::Present => f.write_str("yes"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{:?}", text.trim_end()),
            Self::Others => f.write_str("somebody else's"),
        }
    }
}
