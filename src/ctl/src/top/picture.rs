//! Rows as people read them.

use crate::output::{FAINT, Table, styled};

use super::rates::Row;

/// A terminal's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) columns: usize,
    pub(super) lines: usize,
}

const HEADINGS: [&str; 9] =
    ["POD", "RAIL", "NIC", "RX BIT/S", "TX BIT/S", "RX PKT/S", "TX PKT/S", "ERRORS", "DROPS"];
const RDMA: [&str; 3] = ["RDMA RX", "RDMA TX", "RDMA ERRORS"];
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A sparkline of fewer says nothing.
const NARROWEST: usize = 10;

/// A table; with sparklines, and no longer than it may be, where there is a terminal.
pub(super) fn picture(rows: &[Row], is_wide: bool, room: Option<Room>) -> String {
    if rows.is_empty() {
        return "no rail of a pod is on record here\n".to_owned();
    }
    let has_rdma = is_wide || rows.iter().any(|row| row.rdma.is_some());
    let mut headings = HEADINGS.to_vec();
    headings.extend(if has_rdma { &RDMA[..] } else { &[] });
    headings.extend(if is_wide { &["NETWORK"][..] } else { &[] });
    let mut cells: Vec<Vec<String>> = rows.iter().map(|row| of(row, has_rdma, is_wide)).collect();
    if let Some(room) = room {
        let left = room.columns.saturating_sub(width(&headings, &cells));
        if left >= NARROWEST {
            headings.push("BOTH WAYS");
            for (row, cells) in rows.iter().zip(&mut cells) {
                cells.push(sparkline(&row.history, top(rows, &row.pod), left));
            }
        }
    }
    // The heading, and a line for what does not fit.
    let most = room.map_or(usize::MAX, |room| room.lines.saturating_sub(2).max(1));
    let hidden = cells.len().saturating_sub(most);
    let mut table = Table::new(&headings);
    cells.into_iter().take(most).for_each(|row| table.row(row));
    let more = if hidden == 0 { String::new() } else { styled(FAINT, &format!("and {hidden} more\n")) };
    table.render() + &more
}

fn of(row: &Row, has_rdma: bool, is_wide: bool) -> Vec<String> {
    let rate = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), short);
    let dash = || "-".to_owned();
    let flow = row.rate;
    let mut cells = vec![
        row.pod.clone(),
        row.interface.clone(),
        row.device.clone().unwrap_or_else(dash),
        rate(flow.map(|flow| 8.0 * flow.receive_bytes)),
        rate(flow.map(|flow| 8.0 * flow.transmit_bytes)),
        rate(flow.map(|flow| flow.receive_packets)),
        rate(flow.map(|flow| flow.transmit_packets)),
        row.errors.to_string(),
        row.drops.to_string(),
    ];
    if has_rdma {
        let rdma = row.rdma.as_ref();
        cells.push(rate(rdma.and_then(|rdma| rdma.receive_bytes).map(|bytes| 8.0 * bytes)));
        cells.push(rate(rdma.and_then(|rdma| rdma.transmit_bytes).map(|bytes| 8.0 * bytes)));
        cells.push(rdma.map_or_else(dash, |rdma| rdma.errors.to_string()));
    }
    if is_wide {
        cells.push(row.network.clone());
    }
    cells
}

/// Of all columns with the gaps behind them, as [`Table`] makes them.
fn width(headings: &[&str], cells: &[Vec<String>]) -> usize {
    let widest = |(column, heading): (usize, &&str)| {
        let own = cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        own.chain([heading.chars().count()]).max().unwrap_or(0) + 2
    };
    headings.iter().enumerate().map(widest).sum()
}

/// Three digits, and what they count: `941`, `9.41M`, `187G`.
fn short(value: f64) -> String {
    let mut value = value;
    let mut units = ["", "k", "M", "G", "T", "P"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    // What would be printed as 1000 is 1.00 of the next.
    while value >= 999.5
        && let Some(next) = units.next()
    {
        (value, unit) = (value / 1000.0, next);
    }
    match value {
        value if unit.is_empty() || value >= 99.95 => format!("{value:.0}{unit}"),
        value if value >= 9.995 => format!("{value:.1}{unit}"),
        value => format!("{value:.2}{unit}"),
    }
}

/// The most that a rail of the pod has had: rails of one pod are told apart by it.
fn top(rows: &[Row], pod: &str) -> f64 {
    let own = rows.iter().filter(|row| row.pod == pod).flat_map(|row| &row.history);
    own.copied().fold(0.0, f64::max)
}

/// The newest looks, the last at the right; nothing at all is a blank.
fn sparkline(history: &[f64], top: f64, columns: usize) -> String {
    let block = |&value: &f64| {
        if value <= 0.0 || top <= 0.0 {
            return ' ';
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of eight")]
        let place = (value / top * 8.0).ceil() as usize;
        BLOCKS[place.clamp(1, 8) - 1]
    };
    history[history.len().saturating_sub(columns)..].iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rates::{Rate, Rdma};
    use super::*;

    fn row(pod: &str, interface: &str, bytes: f64, history: &[f64]) -> Row {
        let rate = Rate {
            receive_bytes: bytes,
            transmit_bytes: 2.0 * bytes,
            receive_packets: 9.0,
            transmit_packets: 0.0,
        };
        Row {
            pod: pod.into(),
            interface: interface.into(),
            network: "gpu".into(),
            device: Some("ens1".into()),
            counted_by: Some("interface"),
            rate: Some(rate),
            history: history.to_vec(),
            ..Row::default()
        }
    }

    fn lines(rows: &[Row], is_wide: bool, room: Option<Room>) -> Vec<String> {
        crate::output::plain(&picture(rows, is_wide, room)).lines().map(str::to_owned).collect()
    }

    #[test]
    fn without_a_terminal_it_is_a_table() {
        let dark = Row { pod: "c9".into(), interface: "net1".into(), ..Row::default() };
        let seen = lines(&[row("ml/a", "net1", 117_650_000.0, &[1.0]), dark.clone()], false, None);
        assert_eq!(
            seen,
            [
                "POD   RAIL  NIC   RX BIT/S  TX BIT/S  RX PKT/S  TX PKT/S  ERRORS  DROPS",
                "ml/a  net1  ens1  941M      1.88G     9         0         0       0",
                "c9    net1  -     -         -         -         -         0       0",
            ]
        );
        let rdma =
            Rdma { device: "mlx5_2".into(), receive_bytes: Some(1.25e9), transmit_bytes: None, errors: 4 };
        let seen = lines(&[Row { rdma: Some(rdma), ..dark }], true, None);
        assert!(seen[0].ends_with("DROPS  RDMA RX  RDMA TX  RDMA ERRORS  NETWORK"), "{seen:?}");
        assert!(seen[1].trim_end().ends_with("0      10.0G    -        4"), "{seen:?}");
        assert_eq!(lines(&[], false, None), ["no rail of a pod is on record here"]);
    }

    #[test]
    fn a_terminal_has_sparklines_and_no_line_too_many() {
        let rows = [
            row("a", "net1", 1.0, &[0.0, 50.0, 100.0]),
            row("a", "net2", 1.0, &[12.0]),
            row("b", "net1", 1.0, &[7.0]),
        ];
        let seen = lines(&rows, false, Some(Room { columns: 100, lines: 24 }));
        assert!(seen[0].ends_with("BOTH WAYS"), "{seen:?}");
        let ends: Vec<_> = seen[1..].iter().map(|line| line.rsplit("  ").next().unwrap()).collect();
        assert_eq!(ends, ["▄█", "▁", "█"], "one scale for all rails of a pod");
        let seen = lines(&rows, false, Some(Room { columns: 20, lines: 4 }));
        assert_eq!((seen.len(), &*seen[3]), (4, "and 1 more"), "{seen:?}");
        assert!(!seen[0].contains("BOTH"), "no room for them");
        let long: Vec<f64> = (0..200).map(f64::from).collect();
        let seen = lines(&[row("a", "net1", 1.0, &long)], false, Some(Room { columns: 100, lines: 24 }));
        assert!(seen[1].chars().count() <= 100, "{seen:?}");
    }

    #[test]
    fn three_digits_are_enough() {
        for (value, text) in [
            (0.0, "0"),
            (0.4, "0"),
            (941.2, "941"),
            (999.6, "1.00k"),
            (9_410.0, "9.41k"),
            (10_000.0, "10.0k"),
            (99_960.0, "100k"),
            (187.4e9, "187G"),
            (1e18, "1000P"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
