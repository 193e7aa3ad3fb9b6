//! `cargo run -p xtask`: writes the generated pages of `docs/`. A test holds them against the code.

fn main() -> anyhow::Result<()> {
    let root = xtask::root();
    for page in xtask::pages(&root)? {
        state::file::replace(&root.join(page.path), page.text.as_bytes())?;
    }
    Ok(())
}
