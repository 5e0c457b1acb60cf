//! Parts: what a store on disk holds, row by row, in the one form that each of them can read and write.
//!
//! Owns: the order of parts: a thread, then its graphs, each with its entries; after all threads each run with its events.
//! Never: parses what only runners read: facts, labels and snapshots stay the texts that they are.

use genesis_mesh_core::log::{IdempotencyKey, LogEvent, Run, ThreadInfo};
use std::fmt;
use std::ops::AddAssign;

/// So many parts wait at most between the store that is read and the one that is written.
pub(crate) const PARTS_WAITING: usize = 256;

/// One row.
#[derive(Debug)]
pub(crate) enum Part {
    /// A thread.
    Thread(ThreadInfo),
    /// A graph of the last thread.
    Graph(GraphPart),
    /// A checkpoint of the last graph; its parent came before it, if it is there.
    Checkpoint(Box<CheckpointPart>),
    /// A fact of the last graph, in order: what comes after a child of its checkpoint is no part of that child's lineage.
    Fact(FactPart),
    /// A run, in the order of acceptance.
    Run(Box<RunPart>),
    /// An event of the last run, in order.
    Event(LogEvent),
}

#[derive(Debug)]
pub(crate) struct GraphPart {
    pub(crate) ns: String,
    /// What the facts since the last snapshot weigh.
    pub(crate) fact_weight: i64,
    /// 0 if there was none.
    pub(crate) snapshot_weight: i64,
}

#[derive(Debug)]
pub(crate) struct CheckpointPart {
    pub(crate) id: u128,
    pub(crate) parent: Option<u128>,
    pub(crate) step: i64,
    pub(crate) source: String,
    pub(crate) created_at_ms: i64,
    pub(crate) labels: Option<String>,
    pub(crate) fact: Option<String>,
    pub(crate) snapshot: Option<String>,
    /// It came since the run that works on the thread began, and goes if that is undone.
    pub(crate) is_undone_with_run: bool,
}

#[derive(Debug)]
pub(crate) struct FactPart {
    pub(crate) checkpoint: u128,
    pub(crate) fact: String,
    /// As in [`CheckpointPart`].
    pub(crate) is_undone_with_run: bool,
}

#[derive(Debug)]
pub(crate) struct RunPart {
    pub(crate) run: Run,
    pub(crate) idempotency: Option<IdempotencyKey>,
    /// When it may be swept.
    pub(crate) outlived_at_ms: Option<i64>,
    /// The number of the last commit under the present lease.
    pub(crate) last_commit: i64,
}

impl RunPart {
    /// Whether what it did to its thread can be undone.
    pub(crate) fn can_be_undone(&self) -> bool {
        self.run.status == genesis_mesh_core::log::RunStatus::Running && self.run.thread.is_some()
    }
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Threads, those of single runs too.
    pub threads: u64,
    /// Histories: one for each namespace of a thread.
    pub graphs: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Facts beside those that made checkpoints.
    pub facts: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Runs.
    pub runs: u64,
    /// Events of all runs.
    pub events: u64,
}

impl Counts {
    /// Counts in the order in which a statement has them.
    pub(crate) fn of(counts: [i64; 7]) -> Self {
        let [threads, graphs, checkpoints, facts, snapshots, runs, events] =
            counts.map(|count| u64::try_from(count).unwrap_or(0));
        Self { threads, graphs, checkpoints, facts, snapshots, runs, events }
    }

    /// Whether the store holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The statement that counts, on each store.
    pub(crate) const STATEMENT: &'static str = "SELECT (SELECT count(*) FROM threads),
        (SELECT count(*) FROM graphs), (SELECT count(*) FROM checkpoints), (SELECT count(*) FROM facts),
        (SELECT count(*) FROM snapshots), (SELECT count(*) FROM runs), (SELECT count(*) FROM events)";
}

impl AddAssign<&Part> for Counts {
    fn add_assign(&mut self, part: &Part) {
        match part {
            Part::Thread(_) => self.threads += 1,
            Part::Graph(_) => self.graphs += 1,
            Part::Checkpoint(checkpoint) => {
                self.checkpoints += 1;
                self.snapshots += u64::from(checkpoint.snapshot.is_some());
            }
            Part::Fact(_) => self.facts += 1,
            Part::Run(_) => self.runs += 1,
            Part::Event(_) => self.events += 1,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, graphs, checkpoints, facts, snapshots, runs, events } = self;
        write!(
            f,
            "{threads} threads ({graphs} histories, {checkpoints} checkpoints, {facts} facts, {snapshots} snapshots), \
             {runs} runs ({events} events)"
        )
    }
}

/// Why a store's content was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CarryError {
    /// One of the stores failed.
    #[error(transparent)]
    Store(#[from] genesis_mesh_core::store::StoreError),
    /// The target holds something.
    #[error("the target is not empty, it has {found}; choose another one, or delete what is in it")]
    NotEmpty {
        /// What it holds.
        found: Counts,
    },
    /// Something was lost on the way, or the source has rows that belong to nothing.
    #[error("the copy would have {copied}, and the source has {source_has}; nothing was kept")]
    Differs {
        /// What would have been kept.
        copied: Counts,
        /// What should have been.
        source_has: Counts,
    },
}

impl CarryError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::NotEmpty { .. } => "store_not_empty",
            Self::Differs { .. } => "store_copy_differs",
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::NotEmpty { .. } | Self::Differs { .. } => false,
        }
    }
}
