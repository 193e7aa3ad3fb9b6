//! The ratios of a run as a picture: one bar for each row that has a peer, on a logarithmic scale.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const ROW: f64 = 20.0;
const LABELS: f64 = 300.0;
/// The left end of the scale: a ten-thousandth of the peers' time.
const LEAST: f64 = 1e-4;

/// A case, our median as a part of the peers', and the budget if there is one.
pub(crate) struct Bar {
    pub(crate) case: String,
    pub(crate) ratio: f64,
    pub(crate) budget: Option<f64>,
}

/// An SVG document.
pub(crate) fn svg(bars: &[Bar], note: &str) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few dozen rows")]
    let height = ROW * (bars.len() as f64 + 2.5);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        WIDTH + LABELS
    );
    for (exponent, text) in [(-4, "1/10000"), (-3, "1/1000"), (-2, "1/100"), (-1, "1/10"), (0, "the peers")] {
        let x = place(10_f64.powi(exponent));
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{ROW:.0}\" x2=\"{x:.1}\" y2=\"{:.0}\" stroke=\"#ccc\"/><text x=\"{x:.1}\" y=\"14\" text-anchor=\"middle\">{text}</text>",
            height - ROW
        );
    }
    let mut y = ROW * 1.25;
    for Bar { case, ratio, budget } in bars {
        let (left, right, base) = (place(LEAST), place(*ratio), y + ROW * 0.6);
        let colour = if budget.is_some_and(|budget| *ratio > budget) { "#c0504d" } else { "#4f81bd" };
        let _ = writeln!(
            out,
            "<text x=\"{:.0}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text><rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.0}\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{base:.1}\">{ratio:.3}</text>",
            LABELS - 8.0,
            escape(case),
            right - left,
            ROW * 0.7,
            right + 4.0
        );
        if let Some(budget) = budget {
            let x = place(*budget);
            let _ = writeln!(
                out,
                "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"black\" stroke-width=\"2\"/>",
                y - 2.0,
                y + ROW * 0.8
            );
        }
        y += ROW;
    }
    let _ = writeln!(
        out,
        "<text x=\"8\" y=\"{:.0}\" fill=\"#666\">{}; black marks are budgets</text>\n</svg>",
        height - 6.0,
        escape(note)
    );
    out
}

fn place(ratio: f64) -> f64 {
    let part = (ratio.clamp(LEAST, 1.0) / LEAST).log10() / (1.0 / LEAST).log10();
    LABELS + part * (WIDTH - 60.0)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_budget_is_red_and_names_are_escaped() {
        let bar = |ratio| Bar { case: "a < b".to_owned(), ratio, budget: Some(0.1) };
        let text = svg(&[bar(0.05), bar(0.5)], "one run");
        assert_eq!((text.matches("#c0504d").count(), text.matches("a &lt; b").count()), (1, 2));
        assert!(place(1.0) > place(0.1) && place(1e-9) >= LABELS);
    }
}
