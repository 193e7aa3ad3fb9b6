//! `cargo run -p xtask`: writes the generated pages of `docs/`. A test holds them against the code.

#[expect(clippy::disallowed_methods, reason = "a page is everybody's to read, and git has the old one")]
fn main() -> anyhow::Result<()> {
    let root = xtask::root();
    for page in xtask::pages(&root)? {
        std::fs::write(root.join(page.path), page.text)?;
    }
    Ok(())
}
