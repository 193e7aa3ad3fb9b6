//! `railctl version`.

use anyhow::Result;
use serde_json::json;

use crate::cli::Format;
use crate::output;

pub(crate) fn run(format: Format) -> Result<()> {
    if format.is_table() {
        return output::line(&format!("railctl {}", version::text()));
    }
    let versions: Vec<_> = cni::Version::ALL.iter().map(|version| version.as_str()).collect();
    let build = json!({
        "release": version::RELEASE, "commit": version::COMMIT, "target": version::target(), "cniVersions": versions,
    });
    output::print(&build, format)
}
