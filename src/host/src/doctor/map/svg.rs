//! The tree as a picture: a box in the box that it hangs below.

use std::fmt::Write as _;

use super::{Kind, Part};

/// Of a line of text.
const LINE: usize = 18;
/// Between a box and what is around it.
const GAP: usize = 8;
/// Of a character of a font whose characters are all as wide, in tenths.
const CHARACTER: usize = 73;

/// A file of its own, without fonts or links, in light and dark surroundings.
pub fn svg(parts: &[Part]) -> String {
    let (width, height) = size(parts);
    let (width, height) = (width + 2 * GAP, height + GAP);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, monospace\" font-size=\"12\">\n"
    );
    let _ = writeln!(text, "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>");
    draw(parts, GAP, GAP, width - 2 * GAP, &mut text);
    text.push_str("</svg>\n");
    text
}

/// Of boxes one below the other, each with the gap behind it.
fn size(parts: &[Part]) -> (usize, usize) {
    parts.iter().map(of_one).fold((0, 0), |(width, height), own| (width.max(own.0), height + own.1 + GAP))
}

fn of_one(part: &Part) -> (usize, usize) {
    let (width, height) = size(&part.below);
    let own = part.text.chars().count() * CHARACTER / 10;
    (own.max(width) + 2 * GAP, LINE + GAP + height)
}

fn draw(parts: &[Part], left: usize, top: usize, width: usize, text: &mut String) {
    let mut top = top;
    for part in parts {
        let height = of_one(part).1;
        let (fill, line) = colours(part.kind);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"{fill}\" stroke=\"{line}\"/>"
        );
        let (x, y) = (left + GAP, top + LINE - 1);
        let _ = writeln!(text, "<text x=\"{x}\" y=\"{y}\" fill=\"#1f2328\">{}</text>", escaped(&part.text));
        draw(&part.below, left + GAP, top + LINE + GAP / 2, width - 2 * GAP, text);
        top += height + GAP;
    }
}

fn colours(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Group => ("#f6f8fa", "#8c959f"),
        Kind::Bridge => ("#ffffff", "#8c959f"),
        Kind::Gpu => ("#dafbe1", "#2da44e"),
        Kind::Nic => ("#ddf4ff", "#0969da"),
        Kind::Rail => ("#fff8c5", "#bf8700"),
    }
}

/// Names of pods and devices are others' words: no tag begins in them, and XML has no characters that control.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                '\u{fffd}'.to_string()
            }
            character => character.to_string(),
        })
        .collect()
}
