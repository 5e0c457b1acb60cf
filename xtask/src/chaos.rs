//! `cargo xtask chaos`: kills everything again and again, and proves that nothing was lost or done twice.
//!
//! Owns: the command, the order of the seeds, and the verdict.
//! Never: leaves a process behind, or needs a service that it does not start itself.
//! Flow: `trial` runs one seed and gives evidence, `check` finds breaches, `report` prints them.

mod error;
mod dice;
mod event;
mod work;
mod evidence;
mod breach;
mod check;
mod recorder;
mod proxy;
mod replica;
mod faults;
mod book;
mod client;
mod collect;
mod trial;
mod report;

use error::ChaosError;
use report::Totals;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trial::Plan;

/// What to hurt, and for how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What keeps the runs: one process on SQLite, or three on PostgreSQL and NATS.
    #[arg(long, value_enum, default_value_t = StoreKind::Sqlite)]
    store: StoreKind,
    /// What carries hints between the processes on PostgreSQL: `nats`, `postgres` or `local`.
    #[arg(long, default_value = "nats")]
    bus: String,
    /// Everything that is left to chance comes from this number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many seeds, one after the other from the first one on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How long there are faults, in each seed.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(3..))]
    seconds: u64,
    /// Clients at one time.
    #[arg(long, default_value_t = 12)]
    clients: u64,
    /// How long a run is its process's without a sign of life.
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(100..))]
    lease_ms: u64,
    /// Turns off what keeps a process from writing after it has lost a run, and expects that this is noticed.
    #[arg(long)]
    no_fencing: bool,
    /// The server under test, if it is built already: the example `chaos` of genesis-mesh-server.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StoreKind {
    Sqlite,
    Postgres,
}

/// Runs all seeds.
///
/// # Errors
/// A promise was broken, or with `--no-fencing` none was; or something could not be started.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = seeds(arguments) => done,
            _ = tokio::signal::ctrl_c() => Err(ChaosError::Text("interrupted".to_owned())),
        }
    });
    Ok(done?)
}

async fn seeds(arguments: &Arguments) -> Result<(), ChaosError> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => build()?,
    };
    let mut totals = Totals::default();
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let plan = arguments.plan(seed, &program);
        // What an earlier trial of the seed has left.
        let _ = std::fs::remove_dir_all(&plan.folder);
        let outcome = trial::run(&plan).await?;
        let breaches = check::check(&outcome.evidence);
        println!("{}", report::line(&plan, &outcome, &breaches));
        if !breaches.is_empty() {
            println!("{}", report::details(&plan, &breaches));
        }
        report::write(&plan.folder, &outcome.evidence, &breaches)?;
        totals.add(&outcome, &breaches);
    }
    println!("{}", totals.line());
    match (arguments.no_fencing, totals.breaches) {
        (false, 0) => Ok(()),
        (false, breaches) => Err(ChaosError::Broken { breaches, seeds: totals.failed_seeds }),
        (true, 0) => Err(ChaosError::Blind),
        (true, _) => {
            println!("without fencing promises were broken, and that was noticed: as expected");
            Ok(())
        }
    }
}

impl Arguments {
    fn plan(&self, seed: u64, program: &Path) -> Plan {
        let is_postgres = self.store == StoreKind::Postgres;
        let store = if is_postgres { "postgres" } else { "sqlite" };
        let fencing = if self.no_fencing { "-no-fencing" } else { "" };
        let folder = target().join("chaos").join(format!("{store}{fencing}-{seed}"));
        Plan {
            is_postgres,
            bus: self.bus.clone(),
            seed,
            time: Duration::from_secs(self.seconds),
            clients: self.clients,
            lease: Duration::from_millis(self.lease_ms),
            has_fencing: !self.no_fencing,
            program: program.to_owned(),
            folder,
        }
    }
}

/// The folder of what is built: this program is in a folder of it.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).map_or_else(|| PathBuf::from("target"), Path::to_owned)
}

/// Builds the server under test, with the profile that this program was built with.
fn build() -> Result<PathBuf, ChaosError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    command.args(["build", "--quiet", "--package", "genesis-mesh-server", "--example", "chaos"]);
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().map_err(ChaosError::io("run cargo"))?;
    if !status.success() {
        return Err(ChaosError::Build);
    }
    Ok(target().join(profile).join("examples/chaos"))
}
