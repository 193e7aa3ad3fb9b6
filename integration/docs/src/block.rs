//! One fenced block of a page.

/// A block: what is to be done with it, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What is to be done with it.
    pub kind: Kind,
    /// Its lines.
    pub text: String,
}

/// What is to be done with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Commands to be run.
    Run,
    /// Commands that need what no test of the docs has: `hardware`, `cluster` or `machine`.
    Needs(String),
    /// A file of that name.
    File(String),
    /// Lines that the block before it prints, in this order; `…` stands for anything within a line.
    Output,
    /// To be read only.
    Shown,
}

impl Kind {
    /// By the words behind the opening fence; `Err` says what is wrong with them.
    pub fn of(info: &str) -> Result<Self, String> {
        let words: Vec<_> = info.split_whitespace().collect();
        match words[..] {
            ["sh"] => Ok(Self::Run),
            ["sh", need] => match need.strip_prefix("needs=") {
                Some(what @ ("hardware" | "cluster" | "machine")) => Ok(Self::Needs(what.to_owned())),
                _ => Err(format!("{info:?}: needs=hardware, needs=cluster or needs=machine")),
            },
            ["text", "output"] => Ok(Self::Output),
            ["yaml" | "json" | "text" | "mermaid"] => Ok(Self::Shown),
            ["yaml" | "json" | "text", file] => match file.strip_prefix("file=") {
                Some(name) if !name.is_empty() && !name.contains('/') => Ok(Self::File(name.to_owned())),
                _ => Err(format!("{info:?}: file=NAME, a plain name")),
            },
            _ => Err(format!("{info:?}: a block is sh, yaml, json, text or mermaid")),
        }
    }
}
