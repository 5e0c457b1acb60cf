//! Reads of threads: lineages, histories and namespaces, each by one statement that sees one moment.
//!
//! Owns: the statements that only read threads.
//! Never: reads a history as a whole if a page of it is enough.

use super::fault::Fault;
use super::rows::checkpoint_of;
use super::value::{Id, count, name, read_name};
use crate::rows::{COLUMNS, corrupt, fits, from_json};
use deadpool_postgres::Client;
use genesis_mesh_core::run::{CheckpointId, FactRecord, Namespace};
use genesis_mesh_core::store::{Checkpoint, HistoryQuery, Link, StoreError, ThreadKey};

/// A filter is applied to pages of so many checkpoints.
const PAGE: usize = 256;

/// Facts that came to a parent after its child was kept belong to another branch.
const LINEAGE: &str = "
WITH RECURSIVE way AS (
    SELECT c.*, 9223372036854775807 AS until, s.snapshot, 0 AS depth
    FROM (SELECT * FROM checkpoints WHERE graph = (SELECT graph FROM graphs WHERE thread = $1 AND ns = $2)
        AND ($3::uuid IS NULL OR id = $3) ORDER BY graph DESC, id DESC LIMIT 1) c
    LEFT JOIN snapshots s ON s.graph = c.graph AND s.checkpoint = c.id
    UNION ALL
    SELECT c.*, way.place, s.snapshot, way.depth + 1
    FROM way JOIN checkpoints c ON c.graph = way.graph AND c.id = way.parent AND c.place < way.place
    LEFT JOIN snapshots s ON s.graph = c.graph AND s.checkpoint = c.id
    WHERE way.snapshot IS NULL
)
SELECT id, parent, step, source, created_at_ms, labels, fact, snapshot, ARRAY(
    SELECT f.fact FROM facts f WHERE f.graph = way.graph AND f.checkpoint = way.id AND f.place < way.until
    ORDER BY f.place)
FROM way ORDER BY depth DESC";

pub(super) async fn lineage(
    client: &Client,
    key: &ThreadKey,
    at: Option<CheckpointId>,
) -> Result<Vec<Link>, Fault> {
    let statement = client.prepare_cached(LINEAGE).await?;
    let (thread, ns, at) = (name(&key.thread), name(key.ns.as_str()), at.map(|at| Id(at.0)));
    let rows = client.query(&statement, &[&thread, &ns, &at]).await?;
    let mut links = Vec::with_capacity(rows.len());
    for row in rows {
        let checkpoint = checkpoint_of(&row)?;
        let snapshot = row.try_get::<_, Option<&str>>(7)?.map(from_json).transpose()?;
        let facts: Vec<&str> = row.try_get(8)?;
        let pending: Vec<FactRecord> = facts.into_iter().map(from_json).collect::<Result<_, _>>()?;
        links.push(Link { checkpoint, pending, snapshot });
    }
    if let Some(Link { checkpoint, snapshot: None, .. }) = links.first()
        && let Some(parent) = checkpoint.parent
    {
        return Err(corrupt(format!("checkpoint {} has no parent {parent}", checkpoint.id)).into());
    }
    Ok(links)
}

pub(super) async fn history(
    client: &Client,
    key: &ThreadKey,
    query: &HistoryQuery,
) -> Result<Vec<Checkpoint>, Fault> {
    let statement = format!(
        "SELECT {COLUMNS} FROM checkpoints WHERE graph = (SELECT graph FROM graphs WHERE thread = $1 AND ns = $2)
         AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4"
    );
    let statement = client.prepare_cached(&statement).await?;
    let (thread, ns) = (name(&key.thread), name(key.ns.as_str()));
    let limit = query.limit.unwrap_or(usize::MAX);
    let page = if query.filter.is_empty() { limit } else { PAGE };
    let mut before = query.before.map(|before| Id(before.0));
    let mut found = Vec::new();
    while found.len() < limit {
        let rows = client.query(&statement, &[&thread, &ns, &before, &count(page)]).await?;
        for row in &rows {
            let checkpoint = checkpoint_of(row)?;
            before = Some(Id(checkpoint.id.0));
            if found.len() < limit && fits(&checkpoint, &query.filter) {
                found.push(checkpoint);
            }
        }
        if rows.len() < page {
            break;
        }
    }
    Ok(found)
}

pub(super) async fn namespaces(client: &Client, thread: &str) -> Result<Vec<Namespace>, Fault> {
    let statement = client.prepare_cached("SELECT ns FROM graphs WHERE thread = $1").await?;
    let rows = client.query(&statement, &[&name(thread)]).await?;
    let names = rows.iter().map(|row| Ok(Namespace::from(read_name(row.try_get(0)?))));
    let mut names = names.collect::<Result<Vec<_>, tokio_postgres::Error>>()?;
    names.sort();
    Ok(names)
}

/// Whether the database can be written: it is no copy that only reads.
pub(super) async fn check(client: &Client) -> Result<(), Fault> {
    let row =
        client.query_one("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')", &[]).await?;
    if row.try_get::<_, bool>(0)? || row.try_get::<_, &str>(1)? == "on" {
        let message = "this server only reads; connect to the primary".to_owned();
        return Err(StoreError::Unavailable { message }.into());
    }
    Ok(())
}
