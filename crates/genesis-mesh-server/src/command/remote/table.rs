//! Tables for people: columns under their names, times as ages.
//!
//! Owns: widths, and the words for a span of time.
//! Never: reads a clock; who shows a table does, once.

use jiff::Timestamp;
use std::io::{self, Write};

/// Rows under names. A cell is cut to no width: ids and names are there to be copied.
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(names: [&str; N]) -> Self {
        Self { rows: vec![names.map(str::to_owned)] }
    }

    pub(crate) fn push(&mut self, row: [String; N]) {
        // What a client has named must not move a person's cursor.
        let plain =
            |cell: String| cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        self.rows
            .push(row.map(plain).map(|cell: String| if cell.is_empty() { "-".to_owned() } else { cell }));
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(out, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// How long ago a time was, in its largest unit.
pub(crate) fn age(then_ms: Option<i64>, now_ms: i64) -> String {
    let Some(then_ms) = then_ms else { return String::new() };
    let seconds = now_ms.saturating_sub(then_ms).max(0) / 1000;
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3_599 => format!("{}m", seconds / 60),
        3_600..=86_399 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A time as RFC 3339 writes it.
pub(crate) fn stamp(ms: Option<i64>) -> String {
    let time = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(String::new, |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        for (ms, told) in
            [(-5, "0s"), (59_999, "59s"), (60_000, "1m"), (7_200_000, "2h"), (172_800_000, "2d")]
        {
            assert_eq!(age(Some(0), ms), told);
        }
        assert_eq!(stamp(Some(1_800_000_000_000)), "2027-01-15T08:00:00Z");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_no_cell_moves_the_cursor() {
        let mut table = Table::new(["A", "B"]);
        table.push(["lo\u{1b}[1mng".to_owned(), String::new()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "A         B\nlo\u{fffd}[1mng  -\n");
    }
}
