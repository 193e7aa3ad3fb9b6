//! What has settings applied again: at boot, and when a NIC comes back.

use std::path::{Path, PathBuf};

use crate::key::{Key, Value};
use crate::wants::Want;

const UNIT: &str = "railcni-host.service";
const UNITS: &str = "etc/systemd/system";
const RULES: &str = "etc/udev/rules.d/90-railcni-host.rules";

/// Which program applies which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persist {
    /// `railctl`, by its absolute path.
    pub program: PathBuf,
    /// The settings, by their absolute path.
    pub file: PathBuf,
}

impl Persist {
    /// Where the unit lies, below the root.
    pub(crate) fn unit() -> Key {
        Key::File { path: Path::new(UNITS).join(UNIT) }
    }

    pub(crate) fn wants(&self) -> Vec<Want> {
        let link = Path::new(UNITS).join("multi-user.target.wants").join(UNIT);
        vec![
            Want { key: Self::unit(), value: Value::Text(self.text()) },
            Want { key: Key::Symlink { path: link }, value: Value::Text(format!("../{UNIT}")) },
            Want { key: Key::File { path: RULES.into() }, value: Value::Text(rules()) },
        ]
    }

    fn text(&self) -> String {
        let (program, file) = (quoted(&self.program), quoted(&self.file));
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
             ExecStart={program} host apply --persist --present {file}\n\
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
        let persist = Persist { program: "/opt/a b/railctl".into(), file: "/etc/100%/$HOME\".yaml".into() };
        let Value::Text(text) = &persist.wants()[0].value else { panic!("no text") };
        let line =
            "ExecStart=\"/opt/a b/railctl\" host apply --persist --present \"/etc/100%%/$$HOME\\\".yaml\"\n";
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
