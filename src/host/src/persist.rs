//! What has settings applied again: at boot, and when a NIC comes back.

mod dropin;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::key::{Key, Value};
use crate::record::Record;
use crate::settings::Settings;
use crate::wants::Want;

const UNIT: &str = "railcni-host.service";
const UNITS: &str = "etc/systemd/system";
const RULES: &str = "etc/udev/rules.d/90-railcni-host.rules";

/// Who has them at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A unit that applies the file.
    Systemd,
    /// The same, and systemd-networkd has the links' part.
    Networkd,
    /// The same, and netplan has it.
    Netplan,
    /// The same, and `NetworkManager` has it.
    NetworkManager,
}

impl Via {
    const NETWORKD: &str = "etc/systemd/network";
    /// The first file that matches a link is its only one.
    const FIRST: &str = "10-railcni-";
    const CONNECTIONS: &str = "etc/NetworkManager/system-connections";
    const NETPLAN: &str = "etc/netplan/90-railcni.yaml";
    const DROPINS: [(Self, &str); 3] = [
        (Self::Networkd, Self::NETWORKD),
        (Self::Netplan, Self::NETPLAN),
        (Self::NetworkManager, Self::CONNECTIONS),
    ];

    /// As `--persist` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Networkd => "networkd",
            Self::Netplan => "netplan",
            Self::NetworkManager => "network-manager",
        }
    }

    /// Who it was at the last apply, if anybody.
    pub(crate) fn on_record(record: &Record) -> Option<Self> {
        record.entry(&Persist::unit())?;
        let has = |folder: &str| {
            let is_below = |key: &Key| matches!(key, Key::File { path } if path.starts_with(folder));
            record.0.iter().any(|entry| is_below(&entry.what))
        };
        let dropin = Self::DROPINS.into_iter().find(|(_, folder)| has(folder));
        Some(dropin.map_or(Self::Systemd, |(via, _)| via))
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which program applies which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persist {
    /// `railctl`, by its absolute path.
    pub program: PathBuf,
    /// The settings, by their absolute path.
    pub file: PathBuf,
    /// Who else has the links' part.
    pub via: Via,
    /// All of the file, with NICs that are still to come.
    pub settings: Settings,
}

impl Persist {
    /// Where the unit lies, below the root.
    pub(crate) fn unit() -> Key {
        Key::File { path: Path::new(UNITS).join(UNIT) }
    }

    pub(crate) fn wants(&self) -> Vec<Want> {
        let link = Path::new(UNITS).join("multi-user.target.wants").join(UNIT);
        let mut wants = vec![
            Want { key: Self::unit(), value: Value::Text(self.text()) },
            Want { key: Key::Symlink { path: link }, value: Value::Text(format!("../{UNIT}")) },
            Want { key: Key::File { path: RULES.into() }, value: Value::Text(rules()) },
        ];
        wants.extend(dropin::wants(self.via, &self.settings));
        wants
    }

    fn text(&self) -> String {
        let (program, file, via) = (quoted(&self.program), quoted(&self.file), self.via);
        format!(
            "# Written by `railctl host apply --persist`, removed by `railctl host undo`.\n\
             [Unit]\n\
             Description=The node's RDMA NICs as {} says\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             StartLimitIntervalSec=0\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             ExecStart={program} host apply --persist={via} --present {file}\n\
             TimeoutStartSec=300\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n",
            self.file.display().to_string().replace('%', "%%")
        )
    }
}

/// A NIC that appears, after a reset or with its driver, has it applied again. VFs do not: they come by it.
fn rules() -> String {
    format!(
        "# Written by `railctl host apply --persist`, removed by `railctl host undo`.\n\
         ACTION==\"add\", SUBSYSTEM==\"net\", SUBSYSTEMS==\"pci\", TEST!=\"device/physfn\", TAG+=\"systemd\", ENV{{SYSTEMD_WANTS}}+=\"{UNIT}\"\n"
    )
}

/// As systemd.service(5) reads it: one word, without specifiers and variables.
fn quoted(path: &Path) -> String {
    let text = path
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_to_systemd() {
        let persist = Persist {
            program: "/opt/a b/railctl".into(),
            file: "/etc/100%/$HOME\".yaml".into(),
            via: Via::Systemd,
            settings: Settings::default(),
        };
        let Value::Text(text) = &persist.wants()[0].value else { panic!("no text") };
        let line = "ExecStart=\"/opt/a b/railctl\" host apply --persist=systemd --present \"/etc/100%%/$$HOME\\\".yaml\"\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_nic_that_comes_back_starts_the_unit_and_a_vf_does_not() {
        let rules = rules();
        assert!(
            rules.contains("TEST!=\"device/physfn\"") && rules.contains("+=\"railcni-host.service\""),
            "{rules}"
        );
    }
}
