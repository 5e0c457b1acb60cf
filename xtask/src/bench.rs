//! `cargo xtask bench`: speed and memory, beside what the product's users would pick instead.
//!
//! Owns: the list of measured things, one module each, and the order of a bench.
//! Never: needs the network, runs in tests, or leaves a process behind.
//! Flow: `local` builds the server, runs each measured thing in turns with what it is compared with, and prints
//! a Markdown table; a signal ends all children first.

mod error;
mod children;
mod series;
mod line;
mod desk;
mod program;
mod context;
mod busy;
mod prompts;
mod server;
mod engine;
mod against;
mod llama_cpp;
mod kernels;
mod neighbours;
mod arrivals;
mod clients;
mod sockets;
mod start;
mod machine;
mod report;
mod serve;
mod graph;
mod store;

use children::Children;
use clap::ValueEnum;
use context::Context;
use error::BenchError;
use genesis_mesh_local::fetch;
use line::Line;
use machine::Beside;
use std::path::{Path, PathBuf};
use tokio::runtime::Builder;

/// What to measure.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// Measures the local engine with the default model, and the server with it.
    Local(Arguments),
    /// Measures what a task of a graph costs, beside LangGraph.
    Graph(graph::Arguments),
    /// Measures what keeping runs costs and gives, beside LangGraph's SQLite saver.
    Store(store::Arguments),
    /// Measures the server's sockets and its surface, beside FastAPI.
    Serve(serve::Arguments),
    /// Computes nothing of use until its standard input ends: the busy neighbour of a bench.
    #[command(hide = true)]
    Busy,
}

/// How to measure the local engine.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A program to compare with, called as `PATH MODEL bench --np N --reps 2 --threads N`. It prints a line of
    /// JSON with `prefill_tok_s` and `decode_tok_s` for each repetition; the last one counts.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// The Python that has llama-cpp-python; without it that of `.venv-bench`, which `make bench` makes.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// How often each side of a comparison is measured, in turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Threads of each engine.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Measures these alone.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Thing>,
}

/// A measured thing: one module of this folder.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Thing {
    /// Tokens a second at 1 to 32 sequences, and of prompts, beside the program of `--against`.
    Against,
    /// The same for one sequence, beside llama.cpp.
    LlamaCpp,
    /// The AVX2 path beside the AVX-512 path.
    Kernels,
    /// 8 sequences with two busy processes beside them.
    Neighbours,
    /// 4 streams while a long prompt arrives every second.
    Arrivals,
    /// 16 clients on the server's socket, beside the same in process.
    Sockets,
    /// The time to be ready, the memory when idle, the size of the binary.
    Start,
}

impl Arguments {
    /// The command without this machine's paths.
    fn command(&self) -> String {
        let mut command =
            format!("cargo xtask bench local --rounds {} --threads {}", self.rounds, self.threads);
        let paths = [("--against", &self.against), ("--python", &self.python)];
        for (flag, _) in paths.iter().filter(|(_, path)| path.is_some()) {
            command += &format!(" {flag} PATH");
        }
        if !self.only.is_empty() {
            let names: Vec<_> = self.only.iter().map(|thing| thing.name()).collect();
            command += &format!(" --only {}", names.join(","));
        }
        command
    }
}

impl Thing {
    fn run(self, context: &Context) -> Result<Vec<Line>, BenchError> {
        match self {
            Self::Against => against::run(context),
            Self::LlamaCpp => llama_cpp::run(context),
            Self::Kernels => kernels::run(context),
            Self::Neighbours => neighbours::run(context),
            Self::Arrivals => arrivals::run(context),
            Self::Sockets => sockets::run(context),
            Self::Start => start::run(context),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Runs the bench, or the child of one.
///
/// # Errors
/// Something can't be measured, a signal came, or a line missed its bound.
pub(crate) fn run(bench: Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Busy => Ok(busy::run()?),
        Bench::Local(arguments) => Ok(guarded(move |children| measure(&arguments, children))?),
        Bench::Store(arguments) => Ok(guarded(move |children| store::measure(&arguments, children))?),
        Bench::Graph(arguments) => Ok(guarded(move |children| graph::measure(&arguments, &children))?),
        Bench::Serve(arguments) => Ok(guarded(move |children| serve::measure(&arguments, children))?),
    }
}

/// Measures on a thread of its own, so that a signal finds this one waiting for it.
fn guarded(
    measure: impl FnOnce(Children) -> Result<(), BenchError> + Send + 'static,
) -> Result<(), BenchError> {
    if cfg!(debug_assertions) {
        return Err(BenchError::DebugBuild);
    }
    let children = Children::default();
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| BenchError::io("start a runtime", error))?;
    let measured = runtime.block_on(async {
        let for_work = children.clone();
        let work = tokio::task::spawn_blocking(move || measure(for_work));
        tokio::select! {
            done = work => done.unwrap_or_else(|panic| Err(BenchError::Panicked(panic.to_string()))),
            signal = signal() => Err(signal.err().unwrap_or(BenchError::Interrupted)),
        }
    });
    children.end_all();
    runtime.shutdown_background();
    measured
}

fn measure(arguments: &Arguments, children: Children) -> Result<(), BenchError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let model = fetch::cached()?.ok_or(BenchError::NoModel)?;
    let context = Context {
        command: arguments.command(),
        against: arguments.against.clone(),
        python: arguments.python.clone().unwrap_or_else(|| root.join(".venv-bench/bin/python")),
        driver: root.join("scripts/bench/llama_cpp_speed.py"),
        rounds: usize::from(arguments.rounds),
        threads: usize::from(arguments.threads),
        model,
        children,
    };
    let all = Thing::value_variants().iter().copied();
    let things: Vec<Thing> =
        all.filter(|thing| arguments.only.is_empty() || arguments.only.contains(thing)).collect();
    if things.iter().any(|thing| matches!(thing, Thing::Sockets | Thing::Start)) {
        server::build(root, &context.children)?;
    }
    let (mut lines, mut beside) = (Vec::new(), Vec::new());
    for thing in things {
        let (load_average, before) = (machine::load_average(), machine::ticks());
        eprintln!("bench: {}, load average {load_average}", thing.name());
        lines.extend(thing.run(&context)?);
        let others = before.zip(machine::ticks()).map(|(before, after)| after.others_since(&before));
        beside.push(Beside { thing: thing.name(), load_average, others });
    }
    let about = format!(
        "Command: `{}`; {} rounds in turns, {} threads. Not counted are the first {} runs of each engine at each \
         number of sequences, and the first round of arrivals and of sockets.",
        context.command,
        context.rounds,
        context.threads,
        engine::WARM_UPS,
    );
    print!("{}", report::markdown(&lines, &about, &beside));
    judge(&lines)
}

/// An error if a line missed its bound.
fn judge(lines: &[Line]) -> Result<(), BenchError> {
    match lines.iter().filter(|line| line.is_held() == Some(false)).count() {
        0 => Ok(()),
        missed => Err(BenchError::Missed { missed, lines: lines.len() }),
    }
}

/// Resolves at SIGINT or SIGTERM.
async fn signal() -> Result<(), BenchError> {
    let failed = |error| BenchError::io("wait for signals", error);
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            interrupt = tokio::signal::ctrl_c() => interrupt.map_err(failed),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(failed)
}

#[cfg(test)]
mod tests;
