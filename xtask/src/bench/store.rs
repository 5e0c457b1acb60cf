//! `cargo xtask bench store`: what it costs to keep every run, and what it gives, beside LangGraph's SQLite saver.
//!
//! Owns: the list of measured things.
//! Never: counts a step that was not answered, or a store that does not sync its facts.
//! Flow: builds the server and two examples, runs each thing in rounds, prints a Markdown table.

mod commits;
mod steps;
mod growth;
mod cursor;
mod replay;
mod recovery;
mod latency;
mod cost;

use super::children::Children;
use super::desk::Desk;
use super::error::BenchError;
use super::line::Line;
use super::machine::{self, Beside};
use super::{judge, program, report, server};
use clap::ValueEnum;
use std::path::PathBuf;

/// How to measure stores.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The Python that has LangGraph; without it that of `.venv-langgraph`, which `make bench-store` makes.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// How often each side of a comparison is measured, in turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Measures these alone.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Thing>,
}

/// A measured thing: one module of this folder.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Thing {
    /// Commits a second of the stores alone.
    Commits,
    /// Steps a second of graphs whose runs are kept.
    Steps,
    /// The size of a long thread, and the time to read it anywhere.
    Growth,
    /// A long log for a new reader.
    Replay,
    /// How long runs stand still when their server is killed.
    Recovery,
    /// How old a token is when it comes, with and without the log. From here on this program has one core.
    Latency,
    /// What a token costs the server, with and without the log.
    Cost,
}

impl Thing {
    fn run(self, desk: &Desk) -> Result<Vec<Line>, BenchError> {
        match self {
            Self::Commits => commits::run(desk),
            Self::Steps => steps::run(desk),
            Self::Growth => growth::run(desk),
            Self::Replay => replay::run(desk),
            Self::Recovery => recovery::run(desk),
            Self::Latency => latency::run(desk),
            Self::Cost => cost::run(desk),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Measures what the arguments ask for.
pub(super) fn measure(arguments: &Arguments, children: Children) -> Result<(), BenchError> {
    let python = arguments.python.as_deref();
    let desk = Desk::new(children, arguments.rounds, python, ".venv-langgraph/bin/python")?;
    server::build(&desk.root, &desk.children)?;
    program::build_example(&desk.root, &desk.children, "genesis-mesh-server", "clock")?;
    let all = Thing::value_variants().iter().copied();
    let (mut lines, mut beside) = (Vec::new(), Vec::new());
    for thing in all.filter(|thing| arguments.only.is_empty() || arguments.only.contains(thing)) {
        let (load_average, before) = (machine::load_average(), machine::ticks());
        lines.extend(thing.run(&desk)?);
        let others = before.zip(machine::ticks()).map(|(before, after)| after.others_since(&before));
        beside.push(Beside { thing: thing.name(), load_average, others });
    }
    let about = format!(
        "Command: `cargo xtask bench store --rounds {}`; in turns. Facts are synced to disk, on SQLite as on \
         PostgreSQL. In latency and cost the server has one core and the load the other.",
        desk.rounds,
    );
    print!("{}", report::markdown(&lines, &about, &beside));
    judge(&lines)
}
