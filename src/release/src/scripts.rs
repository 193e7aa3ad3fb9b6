//! What packages run. The plugins go where every CNI runtime looks by `railcni-install`: whole, tried, all or none. A node that has
//! attachments on record keeps them when the package is removed: pods with rails need the plugins when they end.

use crate::contents::PLUGINS;

/// After an installation or an upgrade.
pub(crate) fn place() -> String {
    format!("{}/usr/lib/railcni/railcni-install --no-sleep\n", environment())
}

/// Before the removal.
pub(crate) fn remove() -> String {
    format!("{}/usr/lib/railcni/railcni-install --uninstall\n", environment())
}

fn environment() -> String {
    format!(
        "export RAILCNI_IMAGE_DIR=/{PLUGINS} CNI_BIN_DIR=/opt/cni/bin RAILCNI_STATE_DIR=/run/railcni\n\
         mkdir -p /opt/cni/bin\n"
    )
}
