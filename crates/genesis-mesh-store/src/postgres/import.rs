//! Import: parts become rows of a schema that has none.
//!
//! Owns: places: those of what the run that works on a thread may undo are behind one mark, all others before it.
//! Never: ends the transaction that it is part of.
//! Flow: rows of the long tables are gathered, and sent together when there are enough.

use super::export::counts;
use super::fault::Fault;
use super::value::{Id, name, number, span};
use crate::parts::{CarryError, CheckpointPart, Counts, GraphPart, Part, RunPart};
use crate::rows::to_json;
use deadpool_postgres::Transaction;
use genesis_mesh_core::log::{LogEvent, ThreadInfo};
use tokio::sync::mpsc::Receiver;
use tokio_postgres::types::ToSql;

/// So many rows are sent together,
const ROWS: usize = 500;
/// or so many bytes of texts.
const BYTES: usize = 1 << 20;
/// Places are the number of a change, shifted so.
const PLACE_BITS: u32 = 20;
/// There are fewer entries than this before the mark.
const MARK: i64 = 1 << 40;

/// Where the import stands.
#[derive(Default)]
struct Import {
    thread: String,
    used_at_ms: i64,
    graph: i64,
    run: Option<Id>,
    /// The place of the next entry; that of one behind the mark is so much greater.
    place: i64,
    rows: Rows,
}

/// Rows of the long tables, by columns.
#[derive(Default)]
struct Rows {
    bytes: usize,
    checkpoint_graphs: Vec<i64>,
    ids: Vec<Id>,
    places: Vec<i64>,
    parents: Vec<Option<Id>>,
    steps: Vec<i64>,
    sources: Vec<String>,
    times: Vec<i64>,
    labels: Vec<Option<String>>,
    made: Vec<Option<String>>,
    snapshots: Vec<Option<String>>,
    fact_graphs: Vec<i64>,
    fact_checkpoints: Vec<Id>,
    fact_places: Vec<i64>,
    facts: Vec<String>,
    event_runs: Vec<Id>,
    seqs: Vec<i64>,
    event_times: Vec<i64>,
    classes: Vec<i16>,
    data: Vec<String>,
    memos: Vec<Option<String>>,
}

const CHECKPOINTS: &str = "
WITH rows AS MATERIALIZED (
    SELECT * FROM unnest($1::int8[], $2::uuid[], $3::int8[], $4::uuid[], $5::int8[], $6::text[], $7::int8[],
        $8::text[], $9::text[], $10::text[])
        AS c (graph, id, place, parent, step, source, created_at_ms, labels, fact, snapshot)
),
kept AS (
    INSERT INTO snapshots (graph, checkpoint, snapshot)
    SELECT graph, id, snapshot FROM rows WHERE snapshot IS NOT NULL
)
INSERT INTO checkpoints (graph, id, place, parent, step, source, created_at_ms, labels, fact)
SELECT graph, id, place, parent, step, source, created_at_ms, labels, fact FROM rows";

const FACTS: &str = "INSERT INTO facts (graph, checkpoint, place, fact)
    SELECT * FROM unnest($1::int8[], $2::uuid[], $3::int8[], $4::text[])";

const EVENTS: &str = "INSERT INTO events (run, seq, at_ms, class, data, memo)
    SELECT * FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::int2[], $5::text[], $6::text[])";

/// Takes all parts in. Who calls rolls everything back if it fails.
pub(super) async fn take_all(
    write: &Transaction<'_>,
    parts: &mut Receiver<Part>,
    expected: Counts,
) -> Result<Result<Counts, CarryError>, Fault> {
    let found = counts(write).await?;
    if !found.is_empty() {
        return Ok(Err(CarryError::NotEmpty { found }));
    }
    let first: i64 = write.query_one("SELECT nextval('places') << 20", &[]).await?.try_get(0)?;
    let mut import = Import { place: first, ..Import::default() };
    let mark = first.saturating_add(MARK);
    while let Some(part) = parts.recv().await {
        match part {
            Part::Thread(info) => import.thread(write, info).await?,
            Part::Graph(part) => import.graph(write, &part).await?,
            Part::Checkpoint(part) => import.checkpoint(*part),
            Part::Fact(part) => {
                let place = import.next_place(part.is_undone_with_run);
                let rows = &mut import.rows;
                rows.bytes += part.fact.len();
                rows.fact_graphs.push(import.graph);
                rows.fact_checkpoints.push(Id(part.checkpoint));
                rows.fact_places.push(place);
                rows.facts.push(part.fact);
            }
            Part::Run(part) => import.accept(write, &part, mark).await?,
            Part::Event(event) => import.event(&event),
        }
        import.rows.write(write, false).await?;
    }
    import.rows.write(write, true).await?;
    // Whatever comes from now on has greater places.
    let last = (import.next_place(true) >> PLACE_BITS) + 1;
    write.execute("SELECT setval('places', $1)", &[&last]).await?;
    let copied = counts(write).await?;
    if copied != expected {
        return Ok(Err(CarryError::Differs { copied, source_has: expected }));
    }
    Ok(Ok(copied))
}

impl Import {
    fn next_place(&mut self, is_behind_mark: bool) -> i64 {
        self.place = self.place.saturating_add(1);
        if is_behind_mark { self.place.saturating_add(MARK) } else { self.place }
    }

    async fn thread(&mut self, write: &Transaction<'_>, info: ThreadInfo) -> Result<(), Fault> {
        let statement = "INSERT INTO threads (id, created_at_ms, used_at_ms, metadata, ttl_ms)
            VALUES ($1, $2, $3, $4, $5)";
        let statement = write.prepare_cached(statement).await?;
        self.thread = name(&info.id).into_owned();
        self.used_at_ms = info.updated_at_ms;
        let (metadata, ttl_ms) = (to_json(&info.metadata)?, info.ttl_ms.map(number));
        let values: [&(dyn ToSql + Sync); 5] =
            [&self.thread, &info.created_at_ms, &info.updated_at_ms, &metadata, &ttl_ms];
        write.execute(&statement, &values).await?;
        Ok(())
    }

    async fn graph(&mut self, write: &Transaction<'_>, part: &GraphPart) -> Result<(), Fault> {
        let statement = "INSERT INTO graphs (thread, ns, fact_weight, snapshot_weight, written_at_ms)
            VALUES ($1, $2, $3, $4, $5) RETURNING graph";
        let statement = write.prepare_cached(statement).await?;
        let values: [&(dyn ToSql + Sync); 5] =
            [&self.thread, &name(&part.ns), &part.fact_weight, &part.snapshot_weight, &self.used_at_ms];
        self.graph = write.query_one(&statement, &values).await?.try_get(0)?;
        Ok(())
    }

    fn checkpoint(&mut self, part: CheckpointPart) {
        let place = self.next_place(part.is_undone_with_run);
        let rows = &mut self.rows;
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        rows.bytes += length(&part.labels) + length(&part.fact) + length(&part.snapshot);
        rows.checkpoint_graphs.push(self.graph);
        rows.ids.push(Id(part.id));
        rows.places.push(place);
        rows.parents.push(part.parent.map(Id));
        rows.steps.push(part.step);
        rows.sources.push(part.source);
        rows.times.push(part.created_at_ms);
        rows.labels.push(part.labels);
        rows.made.push(part.fact);
        rows.snapshots.push(part.snapshot);
    }

    async fn accept(&mut self, write: &Transaction<'_>, part: &RunPart, mark: i64) -> Result<(), Fault> {
        let statement = "INSERT INTO runs (id, epoch, attempt, last_seq, commit_number, commit_at_ms, watched,
            lease_until_ms, created_at_ms, updated_at_ms, expires_at_ms, ttl_ms, mark, status, cancel, rolls_back, agent,
            thread, owner, principal, idempotency, body_hash, metadata, error, input)
            VALUES ($1, $2, $3, $4, $5, $9, $6, $7, $8, $9, $10, $11, $12, $13, $14, false, $15, $16, $17, $18, $19, $20,
                $21, $22, $23)";
        let statement = write.prepare_cached(statement).await?;
        let (run, key) = (&part.run, part.idempotency.as_ref());
        let error = run.error.as_ref().map(to_json).transpose()?;
        let text = |text: &Option<String>| text.as_deref().map(|text| name(text).into_owned());
        let values: [&(dyn ToSql + Sync); 23] = [
            &Id(run.id.0),
            &number(run.epoch),
            &i32::try_from(run.attempt).unwrap_or(i32::MAX),
            &number(run.last_seq),
            &part.last_commit,
            &number(run.watched),
            &run.lease_until_ms,
            &run.created_at_ms,
            &run.updated_at_ms,
            &part.outlived_at_ms,
            &run.ttl_ms.map(span),
            &part.can_be_undone().then_some(mark),
            &run.status.name(),
            &run.cancel.map(|kind| kind.name()),
            &name(&run.agent),
            &text(&run.thread),
            &text(&run.owner),
            &text(&run.principal),
            &key.map(|key| name(&key.key)),
            &key.map(|key| Id(key.body_hash)),
            &to_json(&run.metadata)?,
            &error,
            &name(&run.input),
        ];
        write.execute(&statement, &values).await?;
        self.run = Some(Id(run.id.0));
        Ok(())
    }

    fn event(&mut self, event: &LogEvent) {
        let Some(run) = self.run else { return };
        let rows = &mut self.rows;
        rows.bytes += event.data.len() + event.memo.as_ref().map_or(0, |memo| memo.len());
        rows.event_runs.push(run);
        rows.seqs.push(number(event.seq));
        rows.event_times.push(event.at_ms);
        rows.classes.push(i16::try_from(event.class.code()).unwrap_or(i16::MAX));
        rows.data.push(event.data.to_string());
        rows.memos.push(event.memo.as_deref().map(str::to_owned));
    }
}

impl Rows {
    /// Writes what was gathered, if it is enough or the last.
    async fn write(&mut self, write: &Transaction<'_>, is_last: bool) -> Result<(), Fault> {
        let count = self.ids.len() + self.facts.len() + self.seqs.len();
        if count == 0 || (count < ROWS && self.bytes < BYTES && !is_last) {
            return Ok(());
        }
        let rows = std::mem::take(self);
        let checkpoints: [&(dyn ToSql + Sync); 10] = [
            &rows.checkpoint_graphs,
            &rows.ids,
            &rows.places,
            &rows.parents,
            &rows.steps,
            &rows.sources,
            &rows.times,
            &rows.labels,
            &rows.made,
            &rows.snapshots,
        ];
        let facts: [&(dyn ToSql + Sync); 4] =
            [&rows.fact_graphs, &rows.fact_checkpoints, &rows.fact_places, &rows.facts];
        let events: [&(dyn ToSql + Sync); 6] =
            [&rows.event_runs, &rows.seqs, &rows.event_times, &rows.classes, &rows.data, &rows.memos];
        if !rows.ids.is_empty() {
            write.execute(&write.prepare_cached(CHECKPOINTS).await?, &checkpoints).await?;
        }
        if !rows.facts.is_empty() {
            write.execute(&write.prepare_cached(FACTS).await?, &facts).await?;
        }
        if !rows.seqs.is_empty() {
            write.execute(&write.prepare_cached(EVENTS).await?, &events).await?;
        }
        Ok(())
    }
}
