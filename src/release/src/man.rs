//! Manual pages of the plugins, from their READMEs. See man(7).

use anyhow::{Context as _, Result};

/// The page `railcni-NAME(8)`: the README's headings are sections, the first column of its tables are terms.
pub fn page(plugin: &str, release: &str, readme: &str) -> Result<String> {
    let (title, body) = readme.split_once('\n').context("an empty README")?;
    let paragraph = body.trim_start().lines().next().context("a README of a title alone")?;
    let about = paragraph.split(". ").next().unwrap_or(paragraph).trim_end_matches('.');
    let mut page = format!(
        ".TH RAILCNI-{} 8 \"\" \"railcni {release}\" \"CNI plugins\"\n.SH NAME\nrailcni-{plugin} \\- {}\n{}.SH DESCRIPTION\n",
        plugin.to_uppercase(),
        inline(about),
        synopsis(plugin)
    );
    anyhow::ensure!(title.starts_with("# "), "it does not begin with a heading");
    let mut block = Block::Text;
    for line in body.lines() {
        block = block.next(line, &mut page);
    }
    page.push_str(
        ".SH SEE ALSO\n.BR railctl (8),\n.UR https://www.cni.dev/docs/spec/\nthe specification of CNI\n.UE\n",
    );
    Ok(page)
}

/// How a runtime calls it, how a person does, and where it stands in the config of a network.
fn synopsis(plugin: &str) -> String {
    let program = escaped(&format!("/opt/cni/bin/{plugin}"));
    let config = escaped(&match plugin {
        "rail-ipam" => format!("\"ipam\": {{\"type\": \"{plugin}\", KEY: VALUE, ...}}"),
        _ => format!("{{\"type\": \"{plugin}\", KEY: VALUE, ...}}"),
    });
    format!(
        ".SH SYNOPSIS\n\\fBCNI_COMMAND=\\fR\\fIADD\\fR|\\fIDEL\\fR|\\fICHECK\\fR|\\fIGC\\fR|\\fISTATUS\\fR|\\fIVERSION\\fR \\&... \\fB{program}\\fR <\\fICONFIG\\fR\n\
         .br\n\\fB{program}\\fR [\\fB\\-\\-version\\fR]\n.PP\n{config}\n"
    )
}

/// What a line is part of.
#[derive(Clone, Copy, PartialEq)]
enum Block {
    Text,
    Code,
    /// The headings of a table; whether the second column has the default of what the first one names.
    Head(bool),
    Body(bool),
}

impl Block {
    /// Writes the line; what the next one is part of.
    fn next(self, line: &str, page: &mut String) -> Self {
        let is_row = line.starts_with('|');
        match (self, line) {
            (Self::Code, "```") => put(page, ".EE", Self::Text),
            (Self::Code, _) => put(page, &guarded(&escaped(line)), Self::Code),
            (_, _) if line.starts_with("```") => put(page, ".PP\n.EX", Self::Code),
            (Self::Text, _) if is_row => {
                Self::Head(line.split('|').nth(2).is_some_and(|it| it.trim() == "default"))
            }
            (Self::Head(has_default), _) if is_row => Self::Body(has_default),
            (Self::Body(has_default), _) if is_row => put(page, &row(line, has_default), self),
            (_, "") => put(page, ".PP", Self::Text),
            _ => put(page, &text(line), Self::Text),
        }
    }
}

fn put(page: &mut String, line: &str, block: Block) -> Block {
    page.push_str(line);
    page.push('\n');
    block
}

fn text(line: &str) -> String {
    if let Some(heading) = line.strip_prefix('#') {
        return format!(".SH {}", inline(heading.trim_start_matches('#').trim()).to_uppercase());
    }
    if let Some(item) = line.strip_prefix("- ") {
        return format!(".IP \\(bu 2\n{}", guarded(&inline(item)));
    }
    guarded(&inline(line.trim()))
}

/// A term, and what is in the other columns.
fn row(line: &str, has_default: bool) -> String {
    let line = line.trim().trim_matches('|').replace("\\|", "\u{0}");
    let mut cells: Vec<_> = line.split('|').map(|cell| inline(cell.trim()).replace('\u{0}', "|")).collect();
    let term = cells.remove(0);
    let default = if has_default && !cells.is_empty() { cells.remove(0) } else { String::new() };
    let mut rest = cells.into_iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("; ");
    if !default.is_empty() {
        rest.extend([" [default: ", &default, "]"]);
    }
    format!(".TP\n{}\n{}", guarded(&term), guarded(rest.trim_start()))
}

/// Code in bold, links as their text.
fn inline(text: &str) -> String {
    let part = |(number, part): (usize, &str)| match number % 2 {
        1 => format!("\\fB{}\\fR", escaped(part)),
        _ => without_links(&escaped(part)),
    };
    text.split('`').enumerate().map(part).collect::<String>().replace("**", "")
}

/// `[text](target)` without its target.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split("](");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str(part.split_once(')').map_or(part, |(_, after)| after));
    }
    out.replace('[', "")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// A line that begins like a request is none.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# mac\n\nA link, in `pod`. More.\n\n| key | meaning |\n| --- | --- |\n| `mode` | `a\\|b`, see [x](../y.md) |\n\n\
                          ```json\n.{\"a\\b\": 1}\n```\n\n## Limits\n\n- **none**: .x\n";

    #[test]
    fn a_readme_becomes_sections_terms_and_examples() {
        let page = page("mac", "0.1.0", README).unwrap();
        for part in [
            ".TH RAILCNI-MAC 8",
            "railcni-mac \\- A link, in \\fBpod\\fR\n.SH SYNOPSIS\n",
            "\\fB/opt/cni/bin/mac\\fR [\\fB\\-\\-version\\fR]\n.PP\n{\"type\": \"mac\", KEY: VALUE, ...}\n",
            ".TP\n\\fBmode\\fR\n\\fBa|b\\fR, see x\n",
            ".EX\n\\&.{\"a\\eb\": 1}\n.EE\n",
            ".SH LIMITS\n",
            ".IP \\(bu 2\nnone: .x\n",
        ] {
            assert!(page.contains(part), "{part:?} is not in\n{page}");
        }
        let with_default =
            "# mac\n\nA.\n\n| key | default | meaning |\n| --- | --- | --- |\n| `mtu` | 0 | its MTU |\n";
        assert!(
            super::page("mac", "0.1.0", with_default)
                .unwrap()
                .contains("\\fBmtu\\fR\nits MTU [default: 0]\n")
        );
        assert!(!page.contains("| --- |") && !page.contains("y.md"), "{page}");
    }

    #[test]
    fn a_page_without_a_heading_is_refused() {
        page_error("text alone\n\nmore\n");
        page_error("# title");
    }

    fn page_error(readme: &str) {
        page("mac", "0.1.0", readme).unwrap_err();
    }
}
