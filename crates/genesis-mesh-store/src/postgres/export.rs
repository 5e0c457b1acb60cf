//! Export: everything that a schema holds, as parts.
//!
//! Owns: the statements that read all rows, each list in its order.
//! Never: waits for a statement's bound: who takes the parts may be slow.

use super::fault::Fault;
use super::run::{COLUMNS, event_of, run_of};
use super::thread::{USED, thread_of};
use super::value::{Id, count, read_name};
use crate::parts::{CheckpointPart, Counts, FactPart, GraphPart, Part, RunPart};
use deadpool_postgres::Transaction;
use futures_util::{StreamExt as _, pin_mut};
use genesis_mesh_core::log::IdempotencyKey;
use genesis_mesh_core::store::StoreError;
use tokio::sync::mpsc::Sender;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// A page of a run's log.
const EVENTS: usize = 1_000;

/// Checkpoints (with their snapshots) and facts of a graph, in the order in which they came.
const ENTRIES: &str = "
SELECT c.place, c.id, c.parent, c.step, c.source, c.created_at_ms, c.labels, c.fact,
    (SELECT s.snapshot FROM snapshots s WHERE s.graph = c.graph AND s.checkpoint = c.id)
FROM checkpoints c WHERE c.graph = $1
UNION ALL
SELECT f.place, f.checkpoint, NULL, NULL, NULL, NULL, NULL, f.fact, NULL FROM facts f WHERE f.graph = $1
ORDER BY 1";

pub(super) async fn counts(read: &Transaction<'_>) -> Result<Counts, Fault> {
    let row = read.query_one(Counts::STATEMENT, &[]).await?;
    let mut counts = [0; 7];
    for (place, count) in counts.iter_mut().enumerate() {
        *count = row.try_get(place)?;
    }
    Ok(Counts::of(counts))
}

/// Sends all parts; waits while nobody takes them.
pub(super) async fn send_all(read: &Transaction<'_>, out: &Sender<Part>) -> Result<(), Fault> {
    let statement = format!(
        "SELECT t.id, t.created_at_ms, {USED} AS used, t.metadata, t.ttl_ms FROM threads t ORDER BY t.id COLLATE \"C\""
    );
    for row in read.query(&statement, &[]).await? {
        send(out, Part::Thread(thread_of(&row)?)).await?;
        send_graphs(read, row.try_get(0)?, out).await?;
    }
    for row in read.query("SELECT id FROM runs ORDER BY turn", &[]).await? {
        send_run(read, row.try_get(0)?, out).await?;
    }
    Ok(())
}

async fn send(out: &Sender<Part>, part: Part) -> Result<(), Fault> {
    let given_up = |_| StoreError::Unavailable { message: "the copy was given up".to_owned() };
    Ok(out.send(part).await.map_err(given_up)?)
}

/// Sends the graphs of a thread, which is named as it is stored.
async fn send_graphs(read: &Transaction<'_>, thread: &str, out: &Sender<Part>) -> Result<(), Fault> {
    // Of a thread only one run works at a time.
    let statement =
        read.prepare_cached("SELECT min(mark) FROM runs WHERE thread = $1 AND status = 'running'").await?;
    let mark: Option<i64> = read.query_one(&statement, &[&thread]).await?.try_get(0)?;
    let statement = read
        .prepare_cached(
            "SELECT graph, ns, fact_weight, snapshot_weight FROM graphs WHERE thread = $1 ORDER BY ns COLLATE \"C\"",
        )
        .await?;
    for row in read.query(&statement, &[&thread]).await? {
        let snapshot_weight: i64 = row.try_get(3)?;
        let part = GraphPart {
            ns: read_name(row.try_get(1)?),
            fact_weight: row.try_get(2)?,
            snapshot_weight: snapshot_weight.max(0),
        };
        send(out, Part::Graph(part)).await?;
        let entries = read.prepare_cached(ENTRIES).await?;
        let graph: i64 = row.try_get(0)?;
        let values: [&(dyn ToSql + Sync); 1] = [&graph];
        let rows = read.query_raw(&entries, values).await?;
        pin_mut!(rows);
        while let Some(row) = rows.next().await {
            send(out, entry(&row?, mark.unwrap_or(i64::MAX))?).await?;
        }
    }
    Ok(())
}

fn entry(row: &Row, mark: i64) -> Result<Part, Fault> {
    let is_undone_with_run = row.try_get::<_, i64>(0)? > mark;
    let Id(id) = row.try_get(1)?;
    let Some(source) = row.try_get(4)? else {
        let fact = row.try_get(7)?;
        return Ok(Part::Fact(FactPart { checkpoint: id, fact, is_undone_with_run }));
    };
    Ok(Part::Checkpoint(Box::new(CheckpointPart {
        id,
        parent: row.try_get::<_, Option<Id>>(2)?.map(|Id(id)| id),
        step: row.try_get(3)?,
        source,
        created_at_ms: row.try_get(5)?,
        labels: row.try_get(6)?,
        fact: row.try_get(7)?,
        snapshot: row.try_get(8)?,
        is_undone_with_run,
    })))
}

async fn send_run(read: &Transaction<'_>, id: Id, out: &Sender<Part>) -> Result<(), Fault> {
    let statement = format!(
        "SELECT {COLUMNS}, r.idempotency, r.body_hash, r.expires_at_ms, r.commit_number
         FROM runs r WHERE r.id = $1"
    );
    let row = read.query_one(&read.prepare_cached(&statement).await?, &[&id]).await?;
    let key = row.try_get::<_, Option<String>>("idempotency")?.map(read_name);
    let hash: Option<Id> = row.try_get("body_hash")?;
    let part = RunPart {
        run: run_of(&row)?,
        idempotency: key.zip(hash).map(|(key, Id(body_hash))| IdempotencyKey { key, body_hash }),
        outlived_at_ms: row.try_get("expires_at_ms")?,
        last_commit: row.try_get("commit_number")?,
    };
    send(out, Part::Run(Box::new(part))).await?;
    let statement =
        "SELECT seq, at_ms, class, data, memo FROM events WHERE run = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    let statement = read.prepare_cached(statement).await?;
    let mut after: i64 = 0;
    loop {
        let rows = read.query(&statement, &[&id, &after, &count(EVENTS)]).await?;
        for row in &rows {
            after = row.try_get(0)?;
            send(out, Part::Event(event_of(row)?)).await?;
        }
        if rows.len() < EVENTS {
            return Ok(());
        }
    }
}
