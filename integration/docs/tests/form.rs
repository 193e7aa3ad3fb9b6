//! The form of the docs: blocks that say what they are, links and names that lead somewhere, and two languages that say the same.

use std::path::{Path, PathBuf};

use docs::{Block, Page, chinese, markdown, pages, top};

/// All pages of both languages that exist.
fn all() -> Vec<Page> {
    let english = pages();
    let other = english.iter().filter_map(|page| chinese(page)).filter(|page| top().join(page).exists());
    english.iter().cloned().chain(other).map(|path| Page::read(&path)).collect()
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_block_says_what_is_to_be_done_with_it() {
    let of_page =
        |page: &Page| page.faults.iter().map(|fault| format!("{}: {fault}", page.path.display())).collect();
    assert_none(&all().iter().flat_map(|page| -> Vec<String> { of_page(page) }).collect::<Vec<_>>());
}

/// In the pages, in the READMEs of plugins, labs and examples, and in those for who works on it.
#[test]
fn every_link_leads_to_a_file_and_every_file_that_is_named_exists() {
    let mut faults = Vec::new();
    for page in all().into_iter().chain(other_pages()) {
        let here = page.path.parent().unwrap_or(Path::new(""));
        let exists = |path: &Path| top().join(path).exists() || top().join(here).join(path).exists();
        // `plugins/NAME` is a pattern, and so is what CONTRIBUTING says of it.
        let named = page.named().into_iter().filter(|path| !path.to_string_lossy().contains("NAME"));
        let named = named.filter(|_| page.path != Path::new("CONTRIBUTING.md"));
        for path in page.linked().into_iter().chain(named).filter(|path| !exists(path)) {
            faults.push(format!("{}: there is no {}", page.path.display(), path.display()));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_link_to_a_heading_finds_it() {
    let pages: Vec<_> = all().into_iter().chain(other_pages()).collect();
    let has = |path: &Path, heading: &String| {
        let page = pages.iter().find(|page| page.path == path);
        page.map_or_else(|| Page::read(path).anchors.contains(heading), |page| page.anchors.contains(heading))
    };
    let dead = |page: &Page| {
        let links = page.linked_headings().into_iter().filter(|(path, heading)| !has(path, heading));
        let fault = |(path, heading): (PathBuf, String)| {
            format!("{}: {} has no heading #{heading}", page.path.display(), path.display())
        };
        links.map(fault).collect::<Vec<_>>()
    };
    assert_none(&pages.iter().flat_map(dead).collect::<Vec<_>>());
}

/// Those that the plugins' own tables explain.
#[test]
fn the_reference_names_every_key_of_every_plugin() {
    let reference = Page::read(Path::new("docs/reference.md")).codes;
    let (mut faults, mut found) = (Vec::new(), 0);
    for plugin in top().join("plugins").read_dir().into_iter().flatten().flatten() {
        let readme = std::fs::read_to_string(plugin.path().join("README.md")).unwrap_or_default();
        for key in keys(&readme) {
            found += 1;
            let own = key.strip_prefix("runtimeConfig.").unwrap_or(&key);
            if !reference.iter().any(|code| code == own) {
                faults.push(format!("docs/reference.md has no `{own}` of {}", plugin.file_name().display()));
            }
        }
    }
    assert!(found > 50, "only {found} keys in the tables of plugins");
    assert_none(&faults);
}

/// The words in backticks in the first column of tables of keys.
fn keys(readme: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut is_of_keys = false;
    for line in readme.lines() {
        is_of_keys = line.starts_with("| key |") || is_of_keys && line.starts_with('|');
        let first = line.trim_start_matches('|').split('|').next().unwrap_or_default();
        if is_of_keys {
            keys.extend(first.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    keys
}

fn other_pages() -> Vec<Page> {
    let plugins = top().join("plugins").read_dir().into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> =
        plugins.map(|plugin| Path::new("plugins").join(plugin.file_name()).join("README.md")).collect();
    for folder in ["", "conf-examples", "deploy", "integration/vm", "integration/cluster"] {
        paths.extend(markdown(folder));
    }
    paths.retain(|path| top().join(path).exists());
    paths.iter().map(|path| Page::read(path)).collect()
}

#[test]
fn both_languages_have_the_same_pages() {
    let english = pages();
    let mut faults: Vec<_> = english
        .iter()
        .filter_map(|page| chinese(page))
        .filter(|page| !top().join(page).exists())
        .map(|page| format!("{} is missing", page.display()))
        .collect();
    let known: Vec<_> = english.iter().filter_map(|page| chinese(page)).collect();
    let alone = markdown("docs/zh").into_iter().filter(|page| !known.contains(page));
    faults.extend(alone.map(|page| format!("{} has no English page", page.display())));
    assert_none(&faults);
}

/// Headings by their levels, tables by their shape, blocks byte for byte, links by where they lead.
#[test]
fn both_languages_have_the_same_headings_blocks_tables_and_links() {
    let mut faults = Vec::new();
    for path in pages() {
        let Some(other) = chinese(&path).filter(|other| top().join(other).exists()) else { continue };
        faults.extend(differences(&Page::read(&path), &Page::read(&other)));
    }
    assert_none(&faults);
}

fn differences(english: &Page, chinese: &Page) -> Vec<String> {
    let page = chinese.path.display();
    let mut faults = Vec::new();
    if english.headings != chinese.headings {
        faults.push(format!(
            "{page}: levels of headings {:?}, English {:?}",
            chinese.headings, english.headings
        ));
    }
    if english.tables != chinese.tables {
        faults.push(format!(
            "{page}: rows and columns of tables {:?}, English {:?}",
            chinese.tables, english.tables
        ));
    }
    let (here, there) = (targets(english), targets(chinese));
    if here != there {
        let odd = here
            .iter()
            .filter(|link| !there.contains(link))
            .chain(there.iter().filter(|link| !here.contains(link)));
        faults.push(format!("{page}: links differ: {:?}", odd.collect::<Vec<_>>()));
    }
    faults.extend(block_difference(&english.blocks, &chinese.blocks).map(|fault| format!("{page}: {fault}")));
    faults
}

/// Where a page's links lead, each as the English page: a page links the other language's page in its second line.
fn targets(page: &Page) -> Vec<String> {
    let english = |path: PathBuf| match path.strip_prefix("docs/zh") {
        Ok(name) => Path::new("docs").join(name),
        Err(_) if path == Path::new("README.zh.md") => "README.md".into(),
        Err(_) => path,
    };
    let mut targets: Vec<_> =
        page.linked().into_iter().map(|path| english(path).display().to_string()).collect();
    targets.sort();
    targets.dedup();
    targets
}

fn block_difference(english: &[Block], chinese: &[Block]) -> Option<String> {
    if english.len() != chinese.len() {
        return Some(format!("{} blocks, English {}", chinese.len(), english.len()));
    }
    let odd = english.iter().zip(chinese).find(|(here, there)| here != there);
    odd.map(|(here, there)| format!("a block differs:\n{}\nEnglish:\n{}", there.text, here.text))
}
