//! The plugins of the suite, once: whoever goes through all of them does it by this list.

/// What a plugin is in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Makes the master of a link. It keeps no record: what it made is shared, and names its users.
    Master,
    /// Makes the link, or several.
    Link,
    /// Changes what the link's plugin made.
    Chained,
    /// Gives addresses to a plugin that calls it.
    Ipam,
}

/// In the order of a chain.
const SUITE: [(&str, Part); 10] = [
    ("ifacer", Part::Master),
    ("macvlan", Part::Link),
    ("ipvlan", Part::Link),
    ("sriov", Part::Link),
    ("ib-sriov", Part::Link),
    ("ipoib", Part::Link),
    ("rail", Part::Link),
    ("rdma", Part::Chained),
    ("coordinator", Part::Chained),
    ("rail-ipam", Part::Ipam),
];

/// Those of these parts, in the order of a chain.
pub fn plugins(parts: &[Part]) -> impl Iterator<Item = &'static str> {
    SUITE.into_iter().filter(|(_, part)| parts.contains(part)).map(|(name, _)| name)
}

/// Whether it is one of them.
pub fn has(plugin: &str) -> bool {
    SUITE.iter().any(|(name, _)| *name == plugin)
}

/// Those that may have a record of an attachment.
pub fn with_records() -> impl Iterator<Item = &'static str> {
    plugins(&[Part::Link, Part::Chained, Part::Ipam])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_list_is_that_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let crates = entries.filter(|entry| entry.path().join("Cargo.toml").exists());
        let folder: BTreeSet<String> = crates.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert_eq!(folder, SUITE.map(|(name, _)| name.to_owned()).into());
    }

    #[test]
    fn a_network_whose_type_is_changed_finds_the_records_of_every_plugin_that_makes_links() {
        let known: BTreeSet<_> = links::child::other_type::plugins().collect();
        assert_eq!(known, plugins(&[Part::Link]).collect());
    }
}
