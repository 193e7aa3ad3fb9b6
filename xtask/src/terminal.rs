//! `docs/demo.svg`: what `make demo` prints, as a terminal shows it. The text is that of a run, in `docs/demo.txt`; a test of railctl holds
//! it against what the demo prints today.

use std::fmt::Write;

const COLUMN: usize = 8;
const LINE: usize = 18;
const MARGIN: usize = 16;
const BAR: usize = 30;
/// As wide as the narrowest terminal that shows the demo without breaking a line.
const COLUMNS: usize = 100;

const GROUND: &str = "#1b1f27";
const PLAIN: &str = "#d6dae1";
const STRONG: &str = "#ffffff";
const FAINT: &str = "#7d8695";
const GOOD: &str = "#7fd88f";

/// Of a longer block the middle is left out: it has a line for each of eight rails.
const HEAD: usize = 4;
const TAIL: usize = 1;
const LEFT_OUT: &str = "    ⋮";

pub(crate) fn svg(printed: &str) -> String {
    let lines = shortened(printed);
    let width = COLUMNS * COLUMN + 2 * MARGIN;
    let height = BAR + (lines.len() + 2) * LINE + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\">\n\
         <title>what make demo prints</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for (number, colour) in ["#ec6a5e", "#f4bf4f", "#61c554"].into_iter().enumerate() {
        let _ = writeln!(
            svg,
            "<circle cx=\"{}\" cy=\"16\" r=\"5\" fill=\"{colour}\"/>",
            MARGIN + 6 + number * 18
        );
    }
    draw(&mut svg, 0, &[(FAINT, "$ "), (STRONG, "make demo")]);
    for (row, line) in (1..).zip(&lines) {
        draw(
            &mut svg,
            row,
            &parts(line, row == 1 || lines.get(row.wrapping_sub(2)).is_some_and(|above| above.is_empty())),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn shortened(printed: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    for (number, block) in printed.split("\n\n").enumerate() {
        if number > 0 {
            lines.push("");
        }
        let block: Vec<&str> = block.lines().collect();
        if block.len() <= HEAD + 1 + TAIL {
            lines.extend(block);
            continue;
        }
        lines.extend(&block[..HEAD]);
        lines.push(LEFT_OUT);
        lines.extend(&block[block.len() - TAIL..]);
    }
    lines
}

/// A line in its colours. A heading stands below an empty line, and the time of a step at its end.
fn parts(line: &str, is_below_gap: bool) -> Vec<(&'static str, &str)> {
    if let Some(rest) = line.strip_prefix('✓') {
        let cut = rest.rfind("  ").unwrap_or(rest.len());
        let (said, took) = rest.split_at(cut);
        return vec![(GOOD, "✓"), (PLAIN, said), (FAINT, took)];
    }
    match line.strip_prefix("railctl demo") {
        Some(rest) => vec![(STRONG, "railctl demo"), (PLAIN, rest)],
        None if is_below_gap && line.starts_with("    ") => vec![(STRONG, line)],
        None => vec![(PLAIN, line)],
    }
}

/// Every part where its column is, whatever font there is.
fn draw(svg: &mut String, row: usize, parts: &[(&str, &str)]) {
    let y = BAR + (row + 1) * LINE;
    let mut column = 0;
    for (colour, text) in parts {
        let indent = text.chars().take_while(|c| *c == ' ').count();
        let (start, shown) = (column + indent, text.trim());
        column += text.chars().count();
        if shown.is_empty() {
            continue;
        }
        let (x, length) = (MARGIN + start * COLUMN, shown.chars().count() * COLUMN);
        let _ = writeln!(
            svg,
            "<text xml:space=\"preserve\" x=\"{x}\" y=\"{y}\" textLength=\"{length}\" fill=\"{colour}\">{}</text>",
            escaped(shown)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_its_mark_its_words_and_its_time() {
        assert_eq!(
            parts("✓ attach    8 rails  31 ms", false),
            [(GOOD, "✓"), (PLAIN, " attach    8 rails"), (FAINT, "  31 ms")]
        );
        assert_eq!(parts("    pod$ ip rule", true), [(STRONG, "    pod$ ip rule")]);
        assert_eq!(parts("    0: from all", false), [(PLAIN, "    0: from all")]);
    }

    #[test]
    fn the_middle_of_a_long_block_is_left_out() {
        assert_eq!(
            shortened("a\n\n1\n2\n3\n4\n5\n6\n7\n\nb\n"),
            ["a", "", "1", "2", "3", "4", LEFT_OUT, "7", "", "b"]
        );
        assert_eq!(shortened("1\n2\n3\n4\n5\n6\n"), ["1", "2", "3", "4", "5", "6"]);
    }

    #[test]
    fn a_part_stands_in_its_column() {
        let svg = svg("a\n\n    <b>\n");
        assert!(
            svg.contains("x=\"48\" y=\"102\" textLength=\"24\" fill=\"#ffffff\">&lt;b&gt;</text>"),
            "{svg}"
        );
        assert!(svg.contains(">make demo</text>"));
    }
}
