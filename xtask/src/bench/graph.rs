//! `cargo xtask bench graph`: what a task of a graph costs, beside LangGraph, and whether that grows.
//!
//! Owns: the cases, their bounds, and the two programs that measure them in turns.
//! Never: measures a model or a network: the nodes do next to nothing.
//! Flow: builds the example `graph_speed`, asks it and LangGraph's peer case by case, prints a Markdown table.

use super::children::{Children, Running};
use super::error::BenchError;
use super::line::{Bound, Line, Outcome, Unit};
use super::machine::{self, Beside};
use super::program::{self, Peer, ask};
use super::series::Series;
use super::{judge, report};
use std::path::{Path, PathBuf};

/// How to measure graphs.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The Python that has LangGraph; without it that of `.venv-langgraph`, which `make bench-graph` makes.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// How often each side of a comparison is measured, in turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// A case beside LangGraph: the request, what it is, and the most that one of our tasks may cost, in µs.
const BESIDE: [(&str, &str, f64); 3] = [
    ("chain 10 none", "chain of 10 nodes, no store: CPU time of a task", 2.0),
    ("fan 100 none", "fan-out of 100 `Send` tasks, no store: CPU time of a task", 3.0),
    ("chain 10 memory", "chain of 10 nodes, store in memory: CPU time of a task", 8.0),
];

/// Cases that must cost the same however large the number is: request without its size, what it is, how it is kept.
const FLAT: [(&str, &str, &str); 4] = [
    ("chain", "nodes in the graph", "none"),
    ("channels", "channels in the state", "none"),
    ("loop", "steps taken already, no store", "none"),
    ("loop", "steps taken already, store in memory", "memory"),
];

/// How much more a task may cost with a thousand of something than with ten: the caches of a CPU hold less.
const GROWTH_MAX: f64 = 1.5;

/// The most bytes that a run of the chain takes while it waits.
const WAITING_BYTES_MAX: f64 = 4096.0;

/// Measures all cases.
pub(super) fn measure(arguments: &Arguments, children: &Children) -> Result<(), BenchError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let mut ours = program::example(root, children, "genesis-mesh", "graph_speed")?;
    let python = arguments.python.clone().unwrap_or_else(|| root.join(".venv-langgraph/bin/python"));
    let mut theirs = Peer::start(&python, &root.join("scripts/bench/langgraph_peer.py"), children)?;
    let rounds = usize::from(arguments.rounds);
    let (load_average, before) = (machine::load_average(), machine::ticks());
    let mut lines = Vec::new();
    for case in BESIDE {
        lines.extend(beside(&mut ours, &mut theirs, case, rounds)?);
    }
    for (case, of, store) in FLAT {
        lines.push(flat(&mut ours, case, of, store, rounds)?);
    }
    let mut bytes = Vec::new();
    for round in 0..rounds {
        // A process that has run before has free memory to give; a new one tells what a run takes.
        let mut fresh = program::example(root, children, "genesis-mesh", "graph_speed")?;
        bytes.push(ask(&mut fresh, "waiting 10 none", "bytes_per_run")? / 1e3);
        tell("waiting 10 none", round, rounds, &bytes);
    }
    lines.push(Line {
        what: "memory of a run of the chain of 10 nodes that waits".to_owned(),
        unit: Unit::Kilobytes,
        outcome: Outcome::Limited { ours: Series::new(bytes), limit: WAITING_BYTES_MAX / 1e3 },
    });
    // Ended, so that what they took counts as this bench's own.
    drop((ours, theirs));
    let others = before.zip(machine::ticks()).map(|(before, after)| after.others_since(&before));
    let about = format!(
        "Command: `cargo xtask bench graph --rounds {rounds}`; in turns. CPU time is that of the whole process, all \
         threads, divided by the tasks that nodes ran."
    );
    let beside = [Beside { thing: "all cases".to_owned(), load_average, others }];
    print!("{}", report::markdown(&lines, &about, &beside));
    judge(&lines)
}

/// One case on both sides, in turns: our own bound, and the ratio.
fn beside(
    ours: &mut Running,
    theirs: &mut Peer,
    (request, what, limit): (&str, &str, f64),
    rounds: usize,
) -> Result<Vec<Line>, BenchError> {
    let (mut our_costs, mut their_costs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        our_costs.push(ask(ours, request, "cpu_us_per_task")?);
        if let Peer::There { process, .. } = theirs {
            their_costs.push(ask(process, request, "cpu_us_per_task")?);
        }
        tell(request, round, rounds, &our_costs);
    }
    let ours = Series::new(our_costs);
    let own = Line {
        what: what.to_owned(),
        unit: Unit::Microseconds,
        outcome: Outcome::Limited { ours: ours.clone(), limit },
    };
    let compared = match theirs {
        Peer::There { version, .. } => Line {
            what: "the same, beside LangGraph".to_owned(),
            unit: Unit::Microseconds,
            outcome: Outcome::Compared {
                ours,
                other: Series::new(their_costs),
                beside: format!("LangGraph {version}"),
                bound: Bound::AtMost(0.03),
            },
        },
        Peer::Missing { why } => Line::not_measured(format!("{what}, beside LangGraph"), why.clone()),
    };
    Ok(vec![own, compared])
}

/// What a task costs with a thousand of something, beside ten; a hundred is told.
fn flat(ours: &mut Running, case: &str, of: &str, store: &str, rounds: usize) -> Result<Line, BenchError> {
    let mut costs: [Vec<f64>; 3] = Default::default();
    for round in 0..rounds {
        for (size, costs) in [10, 100, 1000].into_iter().zip(&mut costs) {
            let request = format!("{case} {size} {store}");
            costs.push(ask(ours, &request, "cpu_us_per_task")?);
            tell(&request, round, rounds, costs);
        }
    }
    let [ten, hundred, thousand] = costs.map(Series::new);
    let hundred = Unit::Microseconds.number(hundred.median());
    Ok(Line {
        what: format!("CPU time of a task with 1,000 {of} ({hundred} µs with 100)"),
        unit: Unit::Microseconds,
        outcome: Outcome::Compared {
            ours: thousand,
            other: ten,
            beside: "with 10".to_owned(),
            bound: Bound::AtMost(GROWTH_MAX),
        },
    })
}

fn tell(request: &str, round: usize, rounds: usize, values: &[f64]) {
    let last = values.last().copied().unwrap_or(f64::NAN);
    eprintln!("bench: {request}, round {} of {rounds}: {last:.2}", round + 1);
}
