//! Names that come from outside and become part of a path.

use crate::Error;

/// The longest file name of Linux's file systems, in bytes.
pub(crate) const NAME_MAX: usize = 255;
const IFNAMSIZ: usize = 16;

/// A container ID, network or plugin name: the pattern of CNI's `validateContainerID` and `ValidateNetworkName`.
pub fn id(what: &'static str, value: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let starts_well = value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && value.chars().all(legal) && value.len() <= NAME_MAX {
        return Ok(());
    }
    let allowed = "a letter or digit, then letters, digits, `_`, `.` or `-`, 255 bytes at most";
    Err(Error::Name { what, value: value.to_owned(), allowed })
}

/// An interface name as the kernel takes it (`dev_valid_name` in net/core/dev.c), and keeps it: `net%d` becomes `net0` there, so
/// that who asked for it would never find it again.
pub fn ifname(value: &str) -> Result<(), Error> {
    let dots = matches!(value, "." | "..");
    let banned = |c: char| matches!(c, '/' | ':' | '%' | '\0') || c.is_whitespace();
    if (1..IFNAMSIZ).contains(&value.len()) && !dots && !value.contains(banned) {
        return Ok(());
    }
    let allowed = "1 to 15 bytes, not `.` or `..`, without `/`, `:`, `%` and white space";
    Err(Error::Name { what: "interface name", value: value.to_owned(), allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_pattern_of_cni() {
        for good in ["a", "0", "a.b_c-D", "f".repeat(255).as_str()] {
            id("container ID", good).unwrap();
        }
        for bad in
            ["", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a,b", "a\0", "ä", "f".repeat(256).as_str()]
        {
            let said = id("container ID", bad).unwrap_err().to_string();
            assert!(said.starts_with(&format!("container ID {bad:?} cannot")), "{said}");
        }
    }

    #[test]
    fn interface_names_follow_the_kernel() {
        for good in ["eth0", "net1", "a,b", "a@b", "fünf", "123456789012345"] {
            ifname(good).unwrap();
        }
        for bad in
            ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\0b", "1234567890123456", "net%d", "%", "a%%b"]
        {
            ifname(bad).unwrap_err();
        }
    }
}
