//! Leases: claims, heartbeats, and runs that are given back.
//!
//! Owns: who may work on a run, and until when.
//! Never: waits for a run that another process is busy with; a claim passes over it.

use super::fault::Fault;
use super::run::{COLUMNS, NOW, run_of};
use super::value::{Id, count, name, number, span};
use deadpool_postgres::Client;
use genesis_mesh_core::log::{Beat, CancelKind, Claim, Claimed, Lease, Run};
use std::collections::HashMap;

/// What a claim sets in a run: `$1` is the owner, `$2` the length of the lease, `now` the time.
pub(super) fn claim_values(now: &str) -> String {
    format!(
        "status = 'running', owner = $1, epoch = r.epoch + 1, attempt = r.attempt + 1, lease_until_ms = {now} + $2,
         updated_at_ms = {now}, commit_number = 0,
         mark = CASE WHEN r.epoch = 0 THEN nextval('places') << 20 ELSE r.mark END"
    )
}

pub(super) fn lease_of(run: &Run) -> Lease {
    Lease { run: run.id, epoch: run.epoch }
}

pub(super) async fn claim(client: &Client, claim: &Claim) -> Result<Vec<Claimed>, Fault> {
    // Whoever is first in its thread stays it until it ends: turns are given under the thread's lock.
    let claim_values = claim_values("c.now");
    let statement = format!(
        "WITH clock AS MATERIALIZED (SELECT {NOW} AS now),
         expired AS MATERIALIZED (
             SELECT r.id, 0 AS class, r.turn FROM runs r
             WHERE r.status = 'running' AND coalesce(r.lease_until_ms, 0) <= (SELECT now FROM clock)
                 AND r.agent = ANY($3)
             ORDER BY r.turn LIMIT $4 FOR UPDATE SKIP LOCKED
         ),
         waiting AS MATERIALIZED (
             SELECT r.id, 1 AS class, r.turn FROM runs r
             WHERE r.status = 'queued' AND r.agent = ANY($3) AND NOT EXISTS (
                 SELECT FROM runs o WHERE o.thread = r.thread AND o.turn < r.turn AND o.status IN ('queued', 'running'))
             ORDER BY r.turn LIMIT (SELECT $4 - count(*) FROM expired) FOR UPDATE SKIP LOCKED
         ),
         picked AS MATERIALIZED (SELECT * FROM expired UNION ALL SELECT * FROM waiting),
         claimed AS (
             UPDATE runs r SET {claim_values} FROM picked p, clock c WHERE r.id = p.id
             RETURNING {COLUMNS}, p.class, p.turn
         )
         SELECT * FROM claimed ORDER BY class, turn"
    );
    let statement = client.prepare_cached(&statement).await?;
    let agents: Vec<_> = claim.agents.iter().map(|agent| name(agent)).collect();
    let limit = count(claim.limit);
    let rows =
        client.query(&statement, &[&name(&claim.owner), &span(claim.lease_ms), &agents, &limit]).await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let run = run_of(row)?;
        claimed.push(Claimed { lease: lease_of(&run), run });
    }
    Ok(claimed)
}

/// The ids and epochs of leases, as statements take them.
fn columns(leases: &[Lease]) -> (Vec<Id>, Vec<i64>) {
    leases.iter().map(|lease| (Id(lease.run.0), number(lease.epoch))).unzip()
}

pub(super) async fn heartbeat(client: &Client, leases: &[Lease], lease_ms: u64) -> Result<Vec<Beat>, Fault> {
    let statement = format!(
        "WITH held AS MATERIALIZED (
             SELECT r.id, r.epoch FROM runs r JOIN unnest($1::uuid[], $2::int8[]) AS l (id, epoch)
                 ON r.id = l.id AND r.epoch = l.epoch
             WHERE r.status = 'running' AND r.lease_until_ms IS NOT NULL ORDER BY r.id FOR NO KEY UPDATE OF r
         )
         UPDATE runs r SET lease_until_ms = {NOW} + $3 FROM held
         WHERE r.id = held.id AND r.epoch = held.epoch AND r.status = 'running' AND r.lease_until_ms IS NOT NULL
         RETURNING r.id, r.epoch, r.cancel"
    );
    let statement = client.prepare_cached(&statement).await?;
    let (ids, epochs) = columns(leases);
    let rows = client.query(&statement, &[&ids, &epochs, &span(lease_ms)]).await?;
    let mut held: HashMap<(Id, i64), Option<CancelKind>> = HashMap::with_capacity(rows.len());
    for row in rows {
        let cancel = row.try_get::<_, Option<&str>>(2)?.and_then(CancelKind::of_name);
        held.insert((row.try_get(0)?, row.try_get(1)?), cancel);
    }
    let beat = |lease| held.get(&lease).map_or(Beat::Lost, |cancel| Beat::Held(*cancel));
    Ok(ids.into_iter().zip(epochs).map(beat).collect())
}

pub(super) async fn release(client: &Client, leases: &[Lease]) -> Result<(), Fault> {
    let statement = "
        WITH held AS MATERIALIZED (
            SELECT r.id, r.epoch FROM runs r JOIN unnest($1::uuid[], $2::int8[]) AS l (id, epoch)
                ON r.id = l.id AND r.epoch = l.epoch
            WHERE r.status = 'running' AND r.lease_until_ms IS NOT NULL ORDER BY r.id FOR NO KEY UPDATE OF r
        )
        UPDATE runs r SET lease_until_ms = NULL, attempt = greatest(r.attempt - 1, 0) FROM held
        WHERE r.id = held.id AND r.epoch = held.epoch AND r.status = 'running' AND r.lease_until_ms IS NOT NULL";
    let statement = client.prepare_cached(statement).await?;
    let (ids, epochs) = columns(leases);
    client.execute(&statement, &[&ids, &epochs]).await?;
    Ok(())
}

pub(super) async fn release_all(client: &Client) -> Result<usize, Fault> {
    let statement =
        "UPDATE runs SET lease_until_ms = NULL WHERE status = 'running' AND lease_until_ms IS NOT NULL";
    Ok(usize::try_from(client.execute(statement, &[]).await?).unwrap_or(usize::MAX))
}
