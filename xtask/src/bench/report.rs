//! The report: Markdown for docs/benchmarks.md.
//!
//! Owns: the table and the words around it.
//! Never: leaves out a line, a round or a bound that was missed.

use super::context::Context;
use super::line::{Bound, Line, Outcome, Unit};
use super::machine;
use super::series::Series;

/// The result of a bench; `loads` says what else ran before each measured thing.
pub(crate) fn markdown(lines: &[Line], context: &Context, loads: &[String]) -> String {
    let mut text = format!(
        "Machine: {}.\nCommand: `{}`; {} rounds in turns, {} threads. Values are medians, with the lowest and the \
         highest round; `ratio` is that of the medians, `paired` the median of the ratios of each round. One run \
         before the first round is not counted.\nLoad average before each, the bench's own work before it \
         included: {}.\n\n",
        machine::description(),
        command(context),
        context.rounds,
        context.threads,
        loads.join(", "),
    );
    text += "| what | measured | beside | ratio | paired | bound | |\n| --- | --- | --- | --- | --- | --- | --- |\n";
    for line in lines {
        text += &row(line);
    }
    text
}

/// The command with its paths as words: they are of no use elsewhere.
fn command(context: &Context) -> String {
    let mut command =
        format!("cargo xtask bench local --rounds {} --threads {}", context.rounds, context.threads);
    if context.against.is_some() {
        command += " --against PATH";
    }
    command
}

fn row(line: &Line) -> String {
    let result = match line.is_held() {
        Some(true) => "held",
        Some(false) => "**missed**",
        None => "not measured",
    };
    let number = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let (ratio, paired) = (number(line.ratio()), number(line.paired_ratio()));
    let (measured, beside, bound) = match &line.outcome {
        Outcome::Compared { ours, other, beside, bound } => {
            let bound = match bound {
                Bound::AtLeast(bound) => format!("at least {bound}"),
                Bound::AtMost(bound) => format!("at most {bound}"),
            };
            (values(ours, line.unit), format!("{beside}: {}", values(other, line.unit)), bound)
        }
        Outcome::Limited { ours, limit } => {
            (values(ours, line.unit), String::new(), format!("under {limit} {}", line.unit.name()))
        }
        Outcome::NotMeasured { why } => (why.clone(), String::new(), String::new()),
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
