//! `cargo xtask bench serve`: what a token, a socket and a request cost on the server, beside FastAPI.
//!
//! Owns: the list of measured things, and which core does what: the server has the first, the load the second.
//! Never: measures a model: the scripted one plays, and a mock stands for a provider.
//! Flow: pins itself, builds the server, runs each thing in turns with its peer, prints a Markdown table.

pub(super) mod process;
pub(super) mod target;
pub(super) mod wire;
pub(super) mod saturated;
mod paced;
mod idle;
mod handshakes;
mod mock;
mod http;
mod through;

use super::children::Children;
use super::desk::Desk;
use super::error::BenchError;
use super::line::Line;
use super::machine::{self, Beside};
use super::{judge, report, server};
use clap::ValueEnum;
use std::future::Future;
use std::path::PathBuf;

/// The core of the server under test, and that of everything else.
pub(super) const SERVER_CORE: &str = "0";
pub(super) const LOAD_CORE: &str = "1";

/// How to measure the server.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The Python that has FastAPI; without it that of `.venv-bench`, which `make bench` makes.
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
    /// 32 clients that ask for 256 tokens again and again.
    Saturated,
    /// Streams of 50 tokens a second.
    Paced,
    /// 5,000 sockets that say nothing.
    Idle,
    /// Sockets that open and close.
    Handshakes,
    /// Chat completions through the server to a provider.
    Through,
}

impl Thing {
    fn run(self, desk: &Desk) -> Result<Vec<Line>, BenchError> {
        match self {
            Self::Saturated => saturated::run(desk),
            Self::Paced => paced::run(desk),
            Self::Idle => idle::run(desk),
            Self::Handshakes => handshakes::run(desk),
            Self::Through => through::run(desk),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Measures what the arguments ask for.
pub(super) fn measure(arguments: &Arguments, children: Children) -> Result<(), BenchError> {
    let desk = Desk::new(children, arguments.rounds, arguments.python.as_deref(), ".venv-bench/bin/python")?;
    server::build(&desk.root, &desk.children)?;
    process::pin_self(LOAD_CORE)?;
    let all = Thing::value_variants().iter().copied();
    let (mut lines, mut beside) = (Vec::new(), Vec::new());
    for thing in all.filter(|thing| arguments.only.is_empty() || arguments.only.contains(thing)) {
        let (load_average, before) = (machine::load_average(), machine::ticks());
        lines.extend(thing.run(&desk)?);
        let others = before.zip(machine::ticks()).map(|(before, after)| after.others_since(&before));
        beside.push(Beside { thing: thing.name(), load_average, others });
    }
    let about = format!(
        "Command: `cargo xtask bench serve --rounds {}`; in turns. Server and peer have core {SERVER_CORE}, the \
         load has core {LOAD_CORE}. CPU time is that of the whole process, user and system.",
        desk.rounds,
    );
    print!("{}", report::markdown(&lines, &about, &beside));
    judge(&lines)
}

/// Runs `work` on this thread.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, BenchError>>) -> Result<T, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| BenchError::io("start a runtime", error))?.block_on(work)
}
