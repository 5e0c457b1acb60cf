//! The report: Markdown for docs/benchmarks.md.
//!
//! Owns: the table and the words around it.
//! Never: leaves out a line, a round or a bound that was missed.

use super::line::{Bound, Line, Outcome, Unit};
use super::machine::{self, Beside};
use super::series::Series;

/// The share of the cores from which on others disturb: about what an idle system's own programs take.
const OTHERS_MAX: f64 = 0.05;

/// The result of a bench; `beside` says what else ran.
pub(crate) fn markdown(lines: &[Line], about: &str, beside: &[Beside]) -> String {
    let mut text = format!(
        "Machine: {}.\n{about} Values are medians, with the lowest and the highest round; `ratio` is that of the \
         medians, `paired` the median of the ratios of each round.\nOthers' share of the cores during each, with \
         the load average before it: {}.\n",
        machine::description(),
        beside.iter().map(share).collect::<Vec<_>>().join(", "),
    );
    if beside.iter().any(|beside| beside.others.is_some_and(|others| others > OTHERS_MAX)) {
        text += "**The machine was not quiet. Compare nothing.**\n";
    }
    text += "\n| what | measured | beside | ratio | paired | bound | |\n";
    text += "| --- | --- | --- | --- | --- | --- | --- |\n";
    for line in lines {
        text += &row(line);
    }
    text
}

fn share(beside: &Beside) -> String {
    let others =
        beside.others.map_or_else(|| "unknown".to_owned(), |others| format!("{:.0} %", others * 100.0));
    format!("{} {others} ({})", beside.thing, beside.load_average)
}

fn row(line: &Line) -> String {
    let result = match line.is_held() {
        Some(true) => "held",
        Some(false) => "**missed**",
        None => "",
    };
    let number = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let (ratio, paired) = (number(line.ratio()), number(line.paired_ratio()));
    let (measured, beside, bound) = match &line.outcome {
        Outcome::Compared { ours, other, beside, bound } => {
            let bound = match bound {
                Bound::AtLeast(bound) => format!("at least {bound}"),
                Bound::AtMost(bound) => format!("at most {bound}"),
                Bound::None => "none".to_owned(),
            };
            (values(ours, line.unit), format!("{beside}: {}", values(other, line.unit)), bound)
        }
        Outcome::Limited { ours, limit } => {
            (values(ours, line.unit), String::new(), format!("under {limit} {}", line.unit.name()))
        }
        Outcome::Floored { ours, floor } => {
            (values(ours, line.unit), String::new(), format!("at least {floor} {}", line.unit.name()))
        }
        Outcome::Told { ours } => (values(ours, line.unit), String::new(), "none".to_owned()),
        Outcome::NotMeasured { why } => (format!("not measured: {why}"), String::new(), String::new()),
    };
    format!("| {} | {measured} | {beside} | {ratio} | {paired} | {bound} | {result} |\n", line.what)
}

fn values(series: &Series, unit: Unit) -> String {
    let [median, min, max] = [series.median(), series.min(), series.max()].map(|value| unit.number(value));
    match min == max {
        true => format!("{median} {}", unit.name()),
        false => format!("{median} {} ({min} to {max})", unit.name()),
    }
}
