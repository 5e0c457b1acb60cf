//! Groups: many jobs in one transaction of a few statements that are sent at once.
//!
//! Owns: the statements of appends and commits, and the arrays that they take.
//! Never: lets a job that is refused take another one down; judges by what was there before its rows were locked.
//! Flow: runs are locked in the order of their ids, then graphs in that of their names, so that groups of several
//! processes don't wait for each other in a circle; the next statement sees what those who held them before have done.

use super::fault::Fault;
use super::job::{Done, Job};
use super::rows::NO_SNAPSHOT;
use super::value::{Id, count, number, read_number};
use crate::rows::corrupt;
use deadpool_postgres::Client;
use futures_util::future::join;
use genesis_mesh_core::log::CancelKind;
use genesis_mesh_core::run::{CheckpointId, RunId};
use genesis_mesh_core::store::StoreError;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

const LOCK_RUNS: &str = "SELECT id FROM runs WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

const LOCK_GRAPHS: &str = "SELECT graph FROM graphs
    WHERE (thread, ns) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY thread, ns FOR NO KEY UPDATE";

/// Outcomes: 0 kept, 1 kept before, 2 fenced, 3 a checkpoint is missing, 4 an end that was to roll back. As in the store on SQLite, a snapshot is wanted
/// when the facts weigh 512, and three times as much as the last.
const WRITE: &str = "
WITH clock AS MATERIALIZED (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::int8 AS now),
wanted AS (
    SELECT * FROM unnest($1::int8[], $2::uuid[], $3::int8[], $4::int8[], $5::int8[], $6::text[], $7::text[],
        $8::bool[], $9::bool[]) AS w (job, run, epoch, number, events, status, error, rolls_back, is_progress)
),
missing AS MATERIALIZED (
    SELECT DISTINCT ON (n.job) n.job, n.id
    FROM unnest($10::int8[], $11::text[], $12::text[], $13::uuid[])
        WITH ORDINALITY AS n (job, thread, ns, id, ordinal)
    WHERE NOT EXISTS (
        SELECT FROM checkpoints c WHERE c.id = n.id
        AND c.graph = (SELECT g.graph FROM graphs g WHERE g.thread = n.thread AND g.ns = n.ns))
    ORDER BY n.job, n.ordinal
),
judged AS MATERIALIZED (
    SELECT w.*, r.last_seq, r.cancel, r.commit_at_ms, m.id AS missing, nextval('places') << 20 AS base, CASE
        WHEN w.run IS NULL THEN CASE WHEN m.id IS NULL THEN 0 ELSE 3 END
        WHEN r.id IS NULL OR r.epoch <> w.epoch THEN 2
        WHEN w.number <= r.commit_number THEN 1
        WHEN r.status <> 'running' OR r.lease_until_ms IS NULL THEN 2
        WHEN w.status IS NOT NULL AND NOT w.rolls_back AND r.cancel = 'rollback' THEN 4
        WHEN m.id IS NULL THEN 0 ELSE 3 END AS outcome
    FROM wanted w LEFT JOIN LATERAL (SELECT * FROM runs WHERE id = w.run OFFSET 0) r ON true
    LEFT JOIN missing m ON m.job = w.job
),
good AS MATERIALIZED (SELECT j.*, c.now FROM judged j CROSS JOIN clock c WHERE j.outcome = 0),
graph_rows AS MATERIALIZED (
    SELECT g.*, j.base, j.now
    FROM unnest($14::int8[], $15::int8[], $16::text[], $17::text[], $18::int8[], $19::int8[])
        AS g (graph, job, thread, ns, fact_weight, snapshot_weight)
    JOIN good j ON j.job = g.job
),
graph_writes AS (
    INSERT INTO graphs AS old (thread, ns, fact_weight, snapshot_weight, written_at_ms)
    SELECT thread, ns, fact_weight, snapshot_weight, now FROM graph_rows ORDER BY thread, ns
    ON CONFLICT (thread, ns) DO UPDATE SET
        fact_weight = CASE WHEN excluded.snapshot_weight < 0 THEN old.fact_weight + excluded.fact_weight
            ELSE excluded.fact_weight END,
        snapshot_weight = CASE WHEN excluded.snapshot_weight < 0 THEN old.snapshot_weight
            ELSE excluded.snapshot_weight END,
        written_at_ms = excluded.written_at_ms
    RETURNING graph AS key, thread, ns, old.xmax = 0 AS is_new,
        fact_weight > greatest(512, 3 * snapshot_weight) AS wants_snapshot
),
places AS MATERIALIZED (
    SELECT g.graph, g.job, g.base, w.key, w.wants_snapshot FROM graph_rows g JOIN graph_writes w USING (thread, ns)
),
thread_writes AS (
    INSERT INTO threads (id, created_at_ms, used_at_ms, metadata)
    SELECT DISTINCT thread, now, now, '{}' FROM graph_writes CROSS JOIN clock WHERE is_new ORDER BY thread
    ON CONFLICT (id) DO NOTHING
),
checkpoint_writes AS (
    INSERT INTO checkpoints (graph, id, place, parent, step, source, created_at_ms, labels, fact)
    SELECT p.key, c.id, p.base + c.place, c.parent, c.step, c.source, c.created_at_ms, c.labels, c.fact
    FROM unnest($20::int8[], $21::uuid[], $22::int8[], $23::uuid[], $24::int8[], $25::text[], $26::int8[],
        $27::text[], $28::text[]) AS c (graph, id, place, parent, step, source, created_at_ms, labels, fact)
    JOIN places p USING (graph)
    ON CONFLICT (graph, id) DO NOTHING
),
fact_writes AS (
    INSERT INTO facts (graph, checkpoint, place, fact)
    SELECT p.key, f.checkpoint, p.base + f.place, f.fact
    FROM unnest($29::int8[], $30::uuid[], $31::int8[], $32::text[]) AS f (graph, checkpoint, place, fact)
    JOIN places p USING (graph)
),
snapshot_writes AS (
    INSERT INTO snapshots (graph, checkpoint, snapshot)
    SELECT p.key, s.checkpoint, s.snapshot
    FROM unnest($33::int8[], $34::uuid[], $35::text[]) AS s (graph, checkpoint, snapshot)
    JOIN places p USING (graph)
    ON CONFLICT (graph, checkpoint) DO UPDATE SET snapshot = excluded.snapshot
),
event_writes AS (
    INSERT INTO events (run, seq, at_ms, class, data, memo)
    SELECT j.run, j.last_seq + e.place, j.now, e.class, e.data, e.memo
    FROM unnest($36::int8[], $37::int8[], $38::int2[], $39::text[], $40::text[]) AS e (job, place, class, data, memo)
    JOIN good j ON j.job = e.job
),
run_writes AS (
    UPDATE runs r SET
        last_seq = j.last_seq + j.events,
        commit_number = j.number,
        commit_at_ms = j.now,
        attempt = CASE WHEN j.is_progress THEN 0 ELSE r.attempt END,
        status = coalesce(j.status, r.status),
        error = j.error,
        rolls_back = j.rolls_back,
        updated_at_ms = CASE WHEN j.status IS NULL THEN r.updated_at_ms ELSE j.now END,
        lease_until_ms = CASE WHEN j.status IS NULL THEN r.lease_until_ms END,
        cancel = CASE WHEN j.status IS NULL THEN r.cancel END,
        expires_at_ms = CASE WHEN j.status IS NULL THEN NULL ELSE j.now + r.ttl_ms END
    FROM good j WHERE r.id = j.run
    RETURNING r.thread, j.status
),
thread_uses AS (
    UPDATE threads t SET used_at_ms = c.now FROM run_writes r CROSS JOIN clock c
    WHERE t.id = r.thread AND r.status IS NOT NULL
)
SELECT j.job, j.outcome, j.missing, j.last_seq + CASE WHEN j.outcome = 0 THEN j.events ELSE 0 END,
    CASE WHEN j.outcome = 0 THEN c.now ELSE j.commit_at_ms END, j.cancel,
    EXISTS (SELECT FROM places p WHERE p.job = j.job AND p.wants_snapshot)
FROM judged j CROSS JOIN clock c";

const UNDO: &str = "
WITH gone AS MATERIALIZED (
    SELECT g.graph, r.mark FROM runs r JOIN graphs g ON g.thread = r.thread
    WHERE r.id = ANY($1) AND r.rolls_back AND r.mark IS NOT NULL
),
facts_gone AS (DELETE FROM facts f USING gone WHERE f.graph = gone.graph AND f.place > gone.mark),
snapshots_gone AS (
    DELETE FROM snapshots s USING gone, checkpoints c
    WHERE c.graph = gone.graph AND c.place > gone.mark AND s.graph = c.graph AND s.checkpoint = c.id
    RETURNING s.graph
),
-- What they replaced weighs an unknown lot: a new snapshot is wanted.
weights AS (
    UPDATE graphs g SET fact_weight = 1::int8 << 40 WHERE graph IN (SELECT graph FROM snapshots_gone)
    AND EXISTS (SELECT FROM checkpoints c JOIN gone USING (graph) WHERE c.graph = g.graph AND c.place <= gone.mark)
),
checkpoints_gone AS (DELETE FROM checkpoints c USING gone WHERE c.graph = gone.graph AND c.place > gone.mark),
graphs_gone AS (
    DELETE FROM graphs g USING gone WHERE g.graph = gone.graph AND NOT EXISTS (
        SELECT FROM checkpoints c WHERE c.graph = g.graph AND c.place <= gone.mark)
)
UPDATE runs SET mark = NULL WHERE id = ANY($1) AND rolls_back";

/// What came of each job of a group, in order.
pub(super) type Outcomes = Vec<Result<Done, StoreError>>;

/// Does jobs in one transaction; a fault is one of the transaction, and nothing of it is kept.
pub(super) async fn write(client: &Client, jobs: &[&Job]) -> Result<Outcomes, Fault> {
    let statements = [LOCK_RUNS, LOCK_GRAPHS, WRITE, UNDO];
    let [lock_runs, lock_graphs, write, undo] = statements.map(|text| client.prepare_cached(text));
    let (lock_runs, lock_graphs, write) = (lock_runs.await?, lock_graphs.await?, write.await?);
    let columns = Columns::of(jobs);
    let undone: Vec<Id> = jobs.iter().filter(|job| job.rolls_back()).filter_map(|job| job.run_id()).collect();
    let runs: Vec<Id> = jobs.iter().filter_map(|job| job.run_id()).collect();
    let undo = if undone.is_empty() { None } else { Some(undo.await?) };
    let values = columns.values();
    // All is sent at once; what follows a failure fails with it.
    let begin = client.batch_execute("BEGIN");
    let lock_runs =
        async { if runs.is_empty() { Ok(0) } else { client.execute(&lock_runs, &[&runs]).await } };
    let lock_graphs = async {
        let (threads, spaces) = (&columns.graph_threads, &columns.graph_spaces);
        if threads.is_empty() { Ok(0) } else { client.execute(&lock_graphs, &[threads, spaces]).await }
    };
    let write = client.query(&write, &values);
    let undo = async {
        match &undo {
            Some(undo) => client.execute(undo, &[&undone]).await,
            None => Ok(0),
        }
    };
    let commit = client.batch_execute("COMMIT");
    let ((begun, runs_locked, graphs_locked), (rows, undone, committed)) =
        join(async { futures_util::join!(begin, lock_runs, lock_graphs) }, async {
            futures_util::join!(write, undo, commit)
        })
        .await;
    begun?;
    runs_locked?;
    graphs_locked?;
    let rows = rows?;
    undone?;
    committed?;
    outcomes(jobs, &rows)
}

fn outcomes(jobs: &[&Job], rows: &[Row]) -> Result<Outcomes, Fault> {
    let mut outcomes: Outcomes = jobs.iter().map(|_| Err(corrupt("a change has no outcome"))).collect();
    for row in rows {
        let job: i64 = row.try_get(0)?;
        let place = usize::try_from(job).unwrap_or(usize::MAX);
        let (Some(outcome), Some(job)) = (outcomes.get_mut(place), jobs.get(place)) else { continue };
        *outcome = match row.try_get::<_, i32>(1)? {
            outcome @ (0 | 1 | 4) => Ok(Done {
                must_undo: outcome == 4,
                last_seq: read_number(row.try_get::<_, Option<i64>>(3)?.unwrap_or(0))?,
                at_ms: row.try_get::<_, Option<i64>>(4)?.unwrap_or(0),
                cancel: row.try_get::<_, Option<&str>>(5)?.and_then(CancelKind::of_name),
                wants_snapshot: row.try_get(6)?,
            }),
            2 => Err(StoreError::Fenced { run: RunId(job.run_id().map_or(0, |run| run.0)) }),
            _ => {
                let missing: Option<Id> = row.try_get(2)?;
                Err(StoreError::UnknownCheckpoint { checkpoint: CheckpointId(missing.map_or(0, |id| id.0)) })
            }
        };
    }
    Ok(outcomes)
}

/// The rows of all jobs, column by column, as the statement takes them.
#[derive(Default)]
struct Columns<'a> {
    jobs: Vec<i64>,
    runs: Vec<Option<Id>>,
    epochs: Vec<i64>,
    numbers: Vec<i64>,
    event_counts: Vec<i64>,
    statuses: Vec<Option<&'a str>>,
    errors: Vec<Option<&'a str>>,
    roll_backs: Vec<bool>,
    progresses: Vec<bool>,
    need_jobs: Vec<i64>,
    need_threads: Vec<&'a str>,
    need_spaces: Vec<&'a str>,
    need_ids: Vec<Id>,
    graphs: Vec<i64>,
    graph_jobs: Vec<i64>,
    graph_threads: Vec<&'a str>,
    graph_spaces: Vec<&'a str>,
    fact_weights: Vec<i64>,
    snapshot_weights: Vec<i64>,
    checkpoint_graphs: Vec<i64>,
    checkpoint_ids: Vec<Id>,
    checkpoint_places: Vec<i64>,
    parents: Vec<Option<Id>>,
    steps: Vec<i64>,
    sources: Vec<&'a str>,
    times: Vec<i64>,
    labels: Vec<Option<&'a str>>,
    made: Vec<Option<&'a str>>,
    fact_graphs: Vec<i64>,
    fact_checkpoints: Vec<Id>,
    fact_places: Vec<i64>,
    facts: Vec<&'a str>,
    snapshot_graphs: Vec<i64>,
    snapshot_checkpoints: Vec<Id>,
    snapshots: Vec<&'a str>,
    event_jobs: Vec<i64>,
    event_places: Vec<i64>,
    classes: Vec<i16>,
    data: Vec<&'a str>,
    memos: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(jobs: &[&'a Job]) -> Self {
        let mut columns = Self::default();
        for (place, job) in jobs.iter().enumerate() {
            columns.add_job(count(place), job);
        }
        columns
    }

    fn add_job(&mut self, place: i64, job: &'a Job) {
        let run = job.run.as_ref();
        let end = run.and_then(|run| run.end.as_ref());
        self.jobs.push(place);
        self.runs.push(job.run_id());
        self.epochs.push(run.map_or(0, |run| number(run.lease.epoch)));
        self.numbers.push(run.map_or(0, |run| run.number));
        self.event_counts.push(run.map_or(0, |run| count(run.events.len())));
        self.statuses.push(end.map(|end| end.status));
        self.errors.push(end.and_then(|end| end.error.as_deref()));
        self.roll_backs.push(end.is_some_and(|end| end.rolls_back));
        self.progresses.push(run.is_some_and(|run| run.is_progress));
        for (index, event) in run.iter().flat_map(|run| &run.events).enumerate() {
            self.event_jobs.push(place);
            self.event_places.push(count(index + 1));
            self.classes.push(i16::try_from(event.class.code()).unwrap_or(i16::MAX));
            self.data.push(&event.data);
            self.memos.push(event.memo.as_deref());
        }
        for graph in &job.graphs {
            self.add_graph(place, graph);
        }
    }

    fn add_graph(&mut self, job: i64, rows: &'a super::rows::GraphRows) {
        let graph = count(self.graphs.len());
        self.graphs.push(graph);
        self.graph_jobs.push(job);
        self.graph_threads.push(&rows.thread);
        self.graph_spaces.push(&rows.ns);
        self.fact_weights.push(rows.fact_weight);
        self.snapshot_weights.push(rows.snapshot_weight.max(NO_SNAPSHOT));
        for id in &rows.needs {
            self.need_jobs.push(job);
            self.need_threads.push(&rows.thread);
            self.need_spaces.push(&rows.ns);
            self.need_ids.push(*id);
        }
        for (place, row) in &rows.checkpoints {
            self.checkpoint_graphs.push(graph);
            self.checkpoint_ids.push(Id(row.id.0));
            self.checkpoint_places.push(*place);
            self.parents.push(row.parent.map(|parent| Id(parent.0)));
            self.steps.push(row.step);
            self.sources.push(row.source);
            self.times.push(row.created_at_ms);
            self.labels.push(row.labels.as_deref());
            self.made.push(row.fact.as_deref());
        }
        for row in &rows.facts {
            self.fact_graphs.push(graph);
            self.fact_checkpoints.push(row.checkpoint);
            self.fact_places.push(row.place);
            self.facts.push(&row.fact);
        }
        for (checkpoint, snapshot) in &rows.snapshots {
            self.snapshot_graphs.push(graph);
            self.snapshot_checkpoints.push(*checkpoint);
            self.snapshots.push(snapshot);
        }
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 40] {
        [
            &self.jobs,
            &self.runs,
            &self.epochs,
            &self.numbers,
            &self.event_counts,
            &self.statuses,
            &self.errors,
            &self.roll_backs,
            &self.progresses,
            &self.need_jobs,
            &self.need_threads,
            &self.need_spaces,
            &self.need_ids,
            &self.graphs,
            &self.graph_jobs,
            &self.graph_threads,
            &self.graph_spaces,
            &self.fact_weights,
            &self.snapshot_weights,
            &self.checkpoint_graphs,
            &self.checkpoint_ids,
            &self.checkpoint_places,
            &self.parents,
            &self.steps,
            &self.sources,
            &self.times,
            &self.labels,
            &self.made,
            &self.fact_graphs,
            &self.fact_checkpoints,
            &self.fact_places,
            &self.facts,
            &self.snapshot_graphs,
            &self.snapshot_checkpoints,
            &self.snapshots,
            &self.event_jobs,
            &self.event_places,
            &self.classes,
            &self.data,
            &self.memos,
        ]
    }
}
