//! The generated pages say what the code says.

#[test]
fn generated_pages_are_current() {
    let root = xtask::root();
    for page in xtask::pages(&root).unwrap() {
        let found = std::fs::read_to_string(root.join(page.path)).unwrap_or_default();
        assert!(found == page.text, "{} is out of date: cargo run -p xtask", page.path);
    }
}

#[test]
fn errors_have_the_codes_that_the_plugins_print() {
    let root = xtask::root();
    let pages = xtask::pages(&root).unwrap();
    let errors = &pages.iter().find(|page| page.path == "docs/errors.md").unwrap().text;
    for row in [
        "| 11 | lock {} was still taken",
        "| 8 | cannot open network namespace",
        "| 102 | address {address} for {ifname} is in use by {holder}",
        "| 103 | gateway {gateway} does not answer",
        "| 100 | no address is left in {}",
        "| 7 | the pod has an interface {ifname} already",
    ] {
        assert!(errors.lines().any(|line| line.starts_with(row)), "{row}");
    }
}
