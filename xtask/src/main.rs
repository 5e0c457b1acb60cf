//! `cargo xtask <task>`: the project's automation, one module a task.
//!
//! Owns: the command line of the automation.
//! Never: is needed to build or to run the product.
#![forbid(unsafe_code)]

mod model;
mod quantize;
mod bench;
#[cfg(unix)]
mod chaos;
mod tidy;

use clap::{Parser, Subcommand};

/// The project's automation.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Checks the rules of CONTRIBUTING.md that the compiler does not: edges, order, size, headers, words.
    Tidy,
    /// Fetches the default model into the user's cache and prints its path.
    Model,
    /// Packs the weights of a GGUF file as another block type, for tests of that type.
    Quantize(quantize::Arguments),
    /// Measures speed and memory, and holds them to their bounds.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Kills servers, databases and connections, and proves that no run is lost and no step is done twice.
    #[cfg(unix)]
    Chaos(chaos::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Tidy => tidy::run(),
        Task::Model => model::run(),
        Task::Quantize(arguments) => quantize::run(&arguments),
        Task::Bench(bench) => bench::run(bench),
        #[cfg(unix)]
        Task::Chaos(arguments) => chaos::run(&arguments),
    }
}
