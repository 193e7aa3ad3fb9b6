//! Which build a binary is, for `--version`.

use std::env::consts::{ARCH, OS};

/// As Cargo.toml has it.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The commit that `make build` built, with `-dirty` behind it if the tree had changes; a build by cargo alone does not know.
pub const COMMIT: &str = match option_env!("RAILCNI_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

const LIBC: &str = if cfg!(target_env = "musl") { "musl" } else { "gnu" };

/// The target as rustc calls it: `aarch64-unknown-linux-musl`.
pub fn target() -> String {
    format!("{ARCH}-unknown-{OS}-{LIBC}")
}

/// What follows the name of a program: `0.1.0 (commit 0123456789ab, x86_64-unknown-linux-musl)`.
pub fn text() -> String {
    format!("{RELEASE} (commit {COMMIT}, {})", target())
}

/// Whether the first argument asks for it.
pub fn is_asked() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == "--version" || word == "-V")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_release_commit_and_target() {
        assert_eq!(text(), format!("{RELEASE} (commit {COMMIT}, {})", target()));
        assert!(target().starts_with(ARCH) && target().matches('-').count() == 3, "{}", target());
    }
}
