//! `docs/errors.md`: every message that the code can print, with its code.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use syn::{Attribute, Expr, Item, Lit, Meta};

use crate::codes::Codes;
use crate::source::{self, Source};

const HEAD: &str = "# Errors

Made by `cargo run -p xtask` from the code; a test fails when it is out of date.

A plugin prints one JSON object, `{ \"code\": ..., \"msg\": ... }`. The message says what failed, on which object, and, after a colon, what to do; `{...}` stands for
what is filled in. The cause is said where the message does not say it. Code 7 is a config to be mended, 11 a call that may succeed later (the kubelet repeats it).
A row without a code is a part of other messages. 4 is an environment that a runtime should not have sent, 5 a file, 8 a network namespace, 50 and 51 an answer of STATUS, 100 to 103 the addresses, 999 all else.
Messages that are about keys of a config stand in the README of each plugin; they name the key, its value and what is allowed.
";

/// One row.
struct Row {
    /// Empty for what is a part of other messages.
    code: String,
    text: String,
    cause: String,
}

pub(crate) fn page(root: &Path) -> Result<String> {
    let sources = source::read(root)?;
    let codes = Codes::read(&sources);
    let mut page = HEAD.to_owned();
    for source in &sources {
        let rows = rows(source, &codes);
        if rows.is_empty() {
            continue;
        }
        writeln!(page, "\n## {}\n\n| code | message | cause |\n| --- | --- | --- |", source.path)?;
        for Row { code, text, cause } in rows {
            writeln!(page, "| {code} | {text} | {cause} |")?;
        }
    }
    Ok(page)
}

fn rows(source: &Source, codes: &Codes) -> Vec<Row> {
    let of = |name: String, attributes: &[Attribute]| {
        let text = message(attributes)?;
        let code = codes.of(source, &name).map(|code| code.to_string()).unwrap_or_default();
        Some(Row { code, text: cell(&text), cause: cell(&doc(attributes)) })
    };
    let mut rows = Vec::new();
    for item in &source.file.items {
        match item {
            Item::Enum(item) => {
                rows.extend(
                    item.variants.iter().filter_map(|variant| of(variant.ident.to_string(), &variant.attrs)),
                );
            }
            Item::Struct(item) => rows.extend(of(item.ident.to_string(), &item.attrs)),
            _ => (),
        }
    }
    rows
}

/// The text of `#[error("...")]`; none if it is another error's.
fn message(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("error"))?;
    let text: syn::LitStr = attribute
        .parse_args_with(|input: syn::parse::ParseStream<'_>| {
            let text = input.parse()?;
            input.parse::<proc_macro2::TokenStream>()?;
            Ok(text)
        })
        .ok()?;
    Some(text.value()).filter(|text| text != "{0}")
}

fn doc(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(value) => match &value.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let lines: Vec<_> = attributes.iter().filter_map(line).collect();
    lines.join(" ")
}

/// As it may stand in a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}
