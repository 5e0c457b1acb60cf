//! Runs as they are read.
//!
//! Owns: the columns of a run and of an event, and the statements that only read runs.
//! Never: changes anything.

use super::fault::Fault;
use super::value::{Id, count, name, number, read_name, read_number};
use crate::rows::{corrupt, from_json};
use deadpool_postgres::Client;
use genesis_mesh_core::log::{CancelKind, EventClass, LogEvent, Run, RunQuery, RunStatus, Seq};
use genesis_mesh_core::run::RunId;
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// The columns of a run, in the order that [`run_of`] reads; the table is `r`.
pub(super) const COLUMNS: &str = "r.id, r.agent, r.thread, r.input, r.principal, r.metadata, r.status,
    r.created_at_ms, r.updated_at_ms, r.owner, r.epoch, r.attempt, r.lease_until_ms, r.last_seq, r.watched, r.cancel,
    r.error, r.ttl_ms";

/// Milliseconds since 1970, by the database's clock.
pub(super) const NOW: &str = "floor(extract(epoch FROM clock_timestamp()) * 1000)::int8";

/// The run of a row that begins with [`COLUMNS`].
pub(super) fn run_of(row: &Row) -> Result<Run, Fault> {
    let text = |column| -> Result<Option<String>, Fault> {
        Ok(row.try_get::<_, Option<String>>(column)?.map(read_name))
    };
    let status: &str = row.try_get(6)?;
    let attempt: i32 = row.try_get(11)?;
    Ok(Run {
        id: RunId(row.try_get::<_, Id>(0)?.0),
        agent: read_name(row.try_get(1)?),
        thread: text(2)?,
        input: read_name(row.try_get(3)?),
        principal: text(4)?,
        metadata: from_json(row.try_get(5)?)?,
        ttl_ms: row.try_get::<_, Option<i64>>(17)?.map(read_number).transpose()?,
        status: RunStatus::of_name(status).ok_or_else(|| corrupt(format!("a run's status is {status:?}")))?,
        created_at_ms: row.try_get(7)?,
        updated_at_ms: row.try_get(8)?,
        owner: text(9)?,
        epoch: read_number(row.try_get(10)?)?,
        attempt: u32::try_from(attempt).unwrap_or(0),
        lease_until_ms: row.try_get(12)?,
        last_seq: read_number(row.try_get(13)?)?,
        watched: read_number(row.try_get(14)?)?,
        cancel: row.try_get::<_, Option<&str>>(15)?.and_then(CancelKind::of_name),
        error: row.try_get::<_, Option<&str>>(16)?.map(from_json).transpose()?,
    })
}

pub(super) async fn get(client: &Client, run: RunId) -> Result<Option<Run>, Fault> {
    let statement = client.prepare_cached(&format!("SELECT {COLUMNS} FROM runs r WHERE r.id = $1")).await?;
    client.query_opt(&statement, &[&Id(run.0)]).await?.as_ref().map(run_of).transpose()
}

pub(super) async fn find(client: &Client, query: &RunQuery) -> Result<Vec<Run>, Fault> {
    let (thread, agent) = (query.thread.as_deref().map(name), query.agent.as_deref().map(name));
    let statuses: Vec<&str> = query.statuses.iter().map(|status| status.name()).collect();
    let principal = query.principal.as_deref().map(name);
    let before = query.before.map(|before| Id(before.0));
    let limit = count(query.limit.unwrap_or(usize::MAX));
    // Conditions that are not asked for are left out, so that each search has a plan of its own.
    let mut conditions = String::from("true");
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&limit];
    let mut add = |condition: &str, value| {
        values.push(value);
        conditions.push_str(&format!(
            " AND {condition}${}{}",
            values.len(),
            if condition.ends_with('(') { ")" } else { "" }
        ));
    };
    if let Some(thread) = &thread {
        add("r.thread = ", thread);
    }
    if let Some(agent) = &agent {
        add("r.agent = ", agent);
    }
    if let Some(principal) = &principal {
        add("r.principal = ", principal);
    }
    if let Some(before) = &before {
        add("r.id < ", before);
    }
    if !statuses.is_empty() {
        add("r.status = ANY(", &statuses);
    }
    let statement = format!("SELECT {COLUMNS} FROM runs r WHERE {conditions} ORDER BY r.id DESC LIMIT $1");
    let statement = client.prepare_cached(&statement).await?;
    client.query(&statement, &values).await?.iter().map(run_of).collect()
}

pub(super) async fn events(
    client: &Client,
    run: RunId,
    after: Seq,
    limit: usize,
) -> Result<Vec<LogEvent>, Fault> {
    let statement =
        "SELECT seq, at_ms, class, data, memo FROM events WHERE run = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    let statement = client.prepare_cached(statement).await?;
    let rows = client.query(&statement, &[&Id(run.0), &number(after), &count(limit)]).await?;
    rows.iter().map(event_of).collect()
}

pub(super) fn event_of(row: &Row) -> Result<LogEvent, Fault> {
    let class: i16 = row.try_get(2)?;
    let class = EventClass::of_code(i64::from(class));
    Ok(LogEvent {
        seq: read_number(row.try_get(0)?)?,
        at_ms: row.try_get(1)?,
        class: class.ok_or_else(|| corrupt("an event has no class that is known"))?,
        data: Arc::from(row.try_get::<_, &str>(3)?),
        memo: row.try_get::<_, Option<&str>>(4)?.map(Arc::from),
    })
}
