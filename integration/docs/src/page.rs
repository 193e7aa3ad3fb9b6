//! A Markdown page, read.

use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::block::{Block, Kind};
use crate::top;

/// What the tests see of a page.
#[derive(Debug, Default)]
pub struct Page {
    /// Where it is, below the repository's top.
    pub path: PathBuf,
    /// The levels of its headings, in order.
    pub headings: Vec<u8>,
    /// Its headings as links name them behind the `#`.
    pub anchors: Vec<String>,
    /// Rows (the header's among them) and columns of each table.
    pub tables: Vec<(usize, usize)>,
    /// Its fenced blocks, in order.
    pub blocks: Vec<Block>,
    /// The targets of its links and pictures, in order.
    pub links: Vec<String>,
    /// Its words in backticks.
    pub codes: Vec<String>,
    /// What is wrong with its form.
    pub faults: Vec<String>,
    /// The words of the heading that is being read.
    heading: Option<String>,
}

impl Page {
    /// The page at `path` below the top.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(top().join(path));
        let mut page = Self { path: path.to_owned(), ..Self::default() };
        match text {
            Ok(text) => page.take(&text),
            Err(error) => page.faults.push(format!("{}: {error}", path.display())),
        }
        page
    }

    fn take(&mut self, text: &str) {
        let mut open = None;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    open = Some((info.to_string(), String::new()));
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => {
                    open = Some((String::new(), String::new()));
                }
                Event::Text(part) if open.is_some() => {
                    open = open.map(|(info, text)| (info, text + &part));
                }
                Event::End(TagEnd::CodeBlock) => {
                    if let Some((info, text)) = open.take() {
                        self.close(&info, text);
                    }
                }
                other => self.note(&other),
            }
        }
    }

    fn close(&mut self, info: &str, text: String) {
        if info.is_empty() {
            let first = text.lines().next().unwrap_or_default();
            self.faults
                .push(format!("a block without a language, or indented in place of fenced: {first:?}"));
        } else {
            match Kind::of(info) {
                Ok(kind) => self.blocks.push(Block { kind, text }),
                Err(fault) => self.faults.push(fault),
            }
        }
    }

    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                self.headings.push(*level as u8);
                self.heading = Some(String::new());
            }
            Event::End(TagEnd::Heading(_)) => {
                let text = self.heading.take().unwrap_or_default();
                self.anchors.push(anchor(&text));
            }
            Event::Start(Tag::Table(columns)) => self.tables.push((0, columns.len())),
            Event::Start(Tag::TableHead | Tag::TableRow) => {
                if let Some((rows, _)) = self.tables.last_mut() {
                    *rows += 1;
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                self.links.push(dest_url.to_string());
            }
            Event::Code(words) => self.codes.push(words.to_string()),
            _ => {}
        }
        if let (Some(heading), Event::Text(words) | Event::Code(words)) = (&mut self.heading, event) {
            heading.push_str(words);
        }
    }

    /// The headings that its links lead to: the page, below the top, and the heading as the link names it.
    pub fn linked_headings(&self) -> Vec<(PathBuf, String)> {
        let here = self.path.parent().unwrap_or(Path::new(""));
        let local = self.links.iter().filter(|link| !link.contains("://"));
        let parts = local.filter_map(|link| link.split_once('#'));
        let page = |path: &str| if path.is_empty() { self.path.clone() } else { flat(&here.join(path)) };
        parts.map(|(path, heading)| (page(path), heading.to_owned())).collect()
    }

    /// The files that its links lead to, below the top; of links to elsewhere none.
    pub fn linked(&self) -> Vec<PathBuf> {
        let here = self.path.parent().unwrap_or(Path::new(""));
        let local = self.links.iter().filter(|link| !link.contains("://") && !link.starts_with('#'));
        local.map(|link| flat(&here.join(link.split('#').next().unwrap_or_default()))).collect()
    }

    /// The files and folders of the repository that it names in backticks: `src/ctl/tests/plan.rs`, `src/{ctl,host}`.
    pub fn named(&self) -> Vec<PathBuf> {
        const TOP: [&str; 9] = [
            "integration/",
            "src/",
            "tests/",
            "plugins/",
            "benches/",
            "scripts/",
            "deploy/",
            "conf-examples/",
            "fuzz/",
        ];
        let paths = self.codes.iter().filter(|code| TOP.iter().any(|folder| code.starts_with(folder)));
        let plain = paths.filter(|code| !code.contains([' ', '*', '<', '…']));
        plain.flat_map(|code| spread(code)).map(PathBuf::from).collect()
    }
}

/// A heading as forges name it in links: small letters, hyphens for spaces, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// `a/../b` as `b`.
fn flat(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(flat.pop()),
            part => flat.push(part),
        }
    }
    flat
}

/// `a/{b,c/{d,e}}` as a shell spreads it.
fn spread(text: &str) -> Vec<String> {
    let Some(open) = text.find('{') else { return vec![text.to_owned()] };
    let Some(close) = closing(&text[open..]) else { return vec![text.to_owned()] };
    let (before, inside, after) = (&text[..open], &text[open + 1..open + close], &text[open + close + 1..]);
    choices(inside).iter().flat_map(|choice| spread(&format!("{before}{choice}{after}"))).collect()
}

/// Where the brace that the text starts with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.char_indices().find_map(|(at, letter)| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        (depth == 0).then_some(at)
    })
}

/// The parts between commas outside braces.
fn choices(text: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for letter in text.chars() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        match parts.last_mut() {
            Some(part) if letter != ',' || depth > 0 => part.push(letter),
            _ => parts.push(String::new()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_spread_as_a_shell_does() {
        assert_eq!(spread("a/{b,c/{d,e}}.rs"), ["a/b.rs", "a/c/d.rs", "a/c/e.rs"]);
        assert_eq!(spread("a/b"), ["a/b"]);
    }

    #[test]
    fn a_page_is_read() {
        let mut page = Page { path: "docs/x.md".into(), ..Page::default() };
        page.take(
            "# T\n\n[y](../y.md#z)\n\n```sh\nip link\n```\n\n```yaml file=a.yaml\nb: 1\n```\n\n    indented\n\n| a | b |\n|---|---|\n| 1 | `src/ctl` |\n",
        );
        assert_eq!((page.headings.as_slice(), page.tables.as_slice()), ([1].as_slice(), [(2, 2)].as_slice()));
        let kinds: Vec<_> = page.blocks.iter().map(|block| block.kind.clone()).collect();
        assert_eq!(kinds, [Kind::Run, Kind::File("a.yaml".to_owned())]);
        assert_eq!((page.linked(), page.named()), (vec!["y.md".into()], vec!["src/ctl".into()]));
        assert_eq!(page.faults.len(), 1);
    }

    #[test]
    fn headings_are_named_as_links_do() {
        let mut page = Page { path: "docs/zh/x.md".into(), ..Page::default() };
        page.take("# One\n\n## What `railctl` does, and why\n\n## 升级\n\n[a](../y.md#z) [b](#升级) [c](https://x/#y)\n");
        assert_eq!(page.anchors, ["one", "what-railctl-does-and-why", "升级"]);
        let of = |path: &str, heading: &str| (PathBuf::from(path), heading.to_owned());
        assert_eq!(page.linked_headings(), [of("docs/y.md", "z"), of("docs/zh/x.md", "升级")]);
    }

    #[test]
    fn a_word_that_means_nothing_is_a_fault() {
        for info in ["bash", "sh needs=luck", "yaml file=a/b", "sh run"] {
            assert!(Kind::of(info).is_err(), "{info}");
        }
    }
}
