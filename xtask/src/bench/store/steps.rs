//! Steps: how many steps a second graphs take whose runs are kept, beside LangGraph and its SQLite saver.
//!
//! Owns: the chain, how many runs there are at one time, and the bounds.
//! Never: gives one side less to keep than the other's own engine asks for.

use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Bound, Line, Outcome, Unit};
use crate::bench::program::{self, Peer, ask};
use crate::bench::series::Series;
use crate::bench::serve::block_on;
use genesis_mesh_store::testing::PostgresCluster;

const NODES: usize = 100;
const SECONDS: f64 = 2.0;

/// A case on SQLite.
struct Case {
    /// At one time.
    runs: usize,
    /// Of both sides: `sync` waits for each step to be kept, `async`, LangGraph's default, does not.
    durability: &'static str,
    /// Steps a second that there must be.
    floor: Option<f64>,
    /// How many times those of LangGraph.
    bound: Bound,
}

const SQLITE: [Case; 4] = [
    // A disk that syncs 7,000 times a second can't do five times what LangGraph does with two of them a step.
    Case { runs: 1, durability: "sync", floor: Some(3_000.0), bound: Bound::None },
    Case { runs: 1, durability: "async", floor: None, bound: Bound::AtLeast(5.0) },
    Case { runs: 16, durability: "sync", floor: Some(10_000.0), bound: Bound::AtLeast(10.0) },
    Case { runs: 16, durability: "async", floor: None, bound: Bound::AtLeast(10.0) },
];
/// Runs at one time on PostgreSQL, and steps a second there, with `sync`.
const POSTGRES: [(usize, Option<f64>); 3] = [(1, None), (16, None), (64, Some(15_000.0))];

/// Steps a second on SQLite, with what LangGraph does, and on PostgreSQL.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let mut lines = sqlite(desk)?;
    // The cluster lives as long as what it runs on.
    lines.extend(block_on(async {
        let cluster = PostgresCluster::start().await?;
        postgres(desk, &cluster.url())
    })?);
    Ok(lines)
}

fn sqlite(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let mut ours = program::example(&desk.root, &desk.children, "genesis-mesh", "durable_speed")?;
    let script = desk.root.join("scripts/bench/langgraph_saver_peer.py");
    let mut theirs = Peer::start(&desk.python, &script, &desk.children)?;
    let mut lines = Vec::new();
    for Case { runs, durability, floor, bound } in SQLITE {
        let (mut our_speeds, mut their_speeds) = (Vec::new(), Vec::new());
        for round in 0..desk.rounds {
            let path = desk.data()?.join("ours.db");
            let request = format!("steps sqlite:{} {runs} {NODES} {SECONDS} {durability}", path.display());
            our_speeds.push(ask(&mut ours, &request, "steps_per_second")?);
            if let Peer::There { process, .. } = &mut theirs {
                let path = desk.data()?.join("theirs.db");
                let request = format!("steps {} {runs} {NODES} {SECONDS} {durability}", path.display());
                their_speeds.push(ask(process, &request, "steps_per_second")?);
            }
            let last = |speeds: &[f64]| speeds.last().copied().unwrap_or(f64::NAN);
            let (ours, theirs) = (last(&our_speeds), last(&their_speeds));
            desk.tell(
                "steps",
                round,
                &format!("{runs} runs, {durability}: {ours:.0}/s, LangGraph {theirs:.0}/s"),
            );
        }
        let (what, ours) = (what("SQLite", runs, durability), Series::new(our_speeds));
        lines.extend(floor.map(|floor| {
            let outcome = Outcome::Floored { ours: ours.clone(), floor };
            Line { what: what.clone(), unit: Unit::StepsPerSecond, outcome }
        }));
        lines.push(match &theirs {
            Peer::Missing { why } => Line::not_measured(format!("{what}, beside LangGraph"), why.clone()),
            Peer::There { version, .. } => Line {
                what: format!("{what}, beside LangGraph"),
                unit: Unit::StepsPerSecond,
                outcome: Outcome::Compared {
                    ours,
                    other: Series::new(their_speeds),
                    beside: format!("SqliteSaver {version}"),
                    bound,
                },
            },
        });
    }
    Ok(lines)
}

fn postgres(desk: &Desk, url: &str) -> Result<Vec<Line>, BenchError> {
    let mut ours = program::example(&desk.root, &desk.children, "genesis-mesh", "durable_speed")?;
    let mut speeds = POSTGRES.map(|_| Vec::new());
    for round in 0..desk.rounds {
        for ((runs, _), speeds) in POSTGRES.iter().zip(&mut speeds) {
            let request = format!("steps {url} {runs} {NODES} {SECONDS} sync");
            let speed = ask(&mut ours, &request, "steps_per_second")?;
            desk.tell("steps", round, &format!("PostgreSQL, {runs} runs: {speed:.0}/s"));
            speeds.push(speed);
        }
    }
    let line = |((runs, floor), speeds): ((usize, Option<f64>), Vec<f64>)| {
        let ours = Series::new(speeds);
        let outcome = match floor {
            Some(floor) => Outcome::Floored { ours, floor },
            None => Outcome::Told { ours },
        };
        Line { what: what("PostgreSQL", runs, "sync"), unit: Unit::StepsPerSecond, outcome }
    };
    Ok(POSTGRES.into_iter().zip(speeds).map(line).collect())
}

fn what(store: &str, runs: usize, durability: &str) -> String {
    let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs at one time") };
    format!("chains of {NODES} nodes on {store}, {durability}, {runs}: durable steps")
}
