//! The schema: its tables, their versions, and who may make them.
//!
//! Owns: the migrations, which are only ever added to.
//! Never: reads or writes what a thread or a run has.
//! Flow: whoever connects migrates first, under a lock that all processes share.

use super::fault::Fault;
use deadpool_postgres::Client;
use genesis_mesh_core::store::StoreError;

/// "GenMesh": the lock under which schemas are changed.
const LOCK: i64 = 0x47_656e_4d65_7368;

/// One text for each version, the first makes version 1.
// table
const MIGRATIONS: [&str; 1] = ["
    -- Numbers of changes to threads, in the order of their locks: an entry's place is this, shifted by 20 bits, and its
    -- number within the change.
    CREATE SEQUENCE places AS int8;
    CREATE TABLE threads (
        id text PRIMARY KEY,
        created_at_ms int8 NOT NULL,
        -- When a run came last; when a checkpoint did is in graphs.
        used_at_ms int8 NOT NULL,
        metadata text NOT NULL,
        ttl_ms int8
    );
    CREATE INDEX threads_ttl ON threads (id) WHERE ttl_ms IS NOT NULL;
    CREATE TABLE graphs (
        graph int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        thread text NOT NULL,
        ns text NOT NULL,
        -- What the facts since the last snapshot weigh, and what that weighs; -1 if there was none.
        fact_weight int8 NOT NULL,
        snapshot_weight int8 NOT NULL,
        written_at_ms int8 NOT NULL,
        UNIQUE (thread, ns)
    ) WITH (fillfactor = 50);
    CREATE TABLE checkpoints (
        graph int8 NOT NULL,
        id uuid NOT NULL,
        place int8 NOT NULL,
        parent uuid,
        step int8 NOT NULL,
        source text NOT NULL,
        created_at_ms int8 NOT NULL,
        -- JSON of parents and metadata; NULL if there are none.
        labels text,
        -- JSON; NULL if none was kept, empty for the commit of this checkpoint.
        fact text,
        PRIMARY KEY (graph, id)
    );
    CREATE TABLE facts (
        graph int8 NOT NULL,
        checkpoint uuid NOT NULL,
        place int8 NOT NULL,
        fact text NOT NULL,
        PRIMARY KEY (graph, checkpoint, place)
    );
    CREATE TABLE snapshots (
        graph int8 NOT NULL,
        checkpoint uuid NOT NULL,
        snapshot text NOT NULL,
        PRIMARY KEY (graph, checkpoint)
    );
    CREATE TABLE runs (
        id uuid PRIMARY KEY,
        -- The order in which runs of a thread were accepted.
        turn int8 GENERATED ALWAYS AS IDENTITY,
        epoch int8 NOT NULL,
        attempt int4 NOT NULL,
        last_seq int8 NOT NULL,
        -- The last commit under this epoch, and when it was.
        commit_number int8 NOT NULL,
        commit_at_ms int8 NOT NULL,
        watched int8 NOT NULL,
        lease_until_ms int8,
        created_at_ms int8 NOT NULL,
        updated_at_ms int8 NOT NULL,
        -- When it may be deleted: its end and the time to live.
        expires_at_ms int8,
        ttl_ms int8,
        -- Places of the thread before it was first claimed are less.
        mark int8,
        status text NOT NULL,
        cancel text,
        rolls_back bool NOT NULL,
        agent text NOT NULL,
        thread text,
        owner text,
        principal text,
        idempotency text,
        body_hash uuid,
        metadata text NOT NULL,
        error text,
        input text NOT NULL
    ) WITH (fillfactor = 50);
    CREATE INDEX runs_queued ON runs (turn) WHERE status = 'queued';
    -- A run that was given back has no lease: it comes first.
    CREATE INDEX runs_leased ON runs ((coalesce(lease_until_ms, 0))) WHERE status = 'running';
    CREATE INDEX runs_open ON runs (thread, turn) WHERE status IN ('queued', 'running');
    CREATE INDEX runs_thread ON runs (thread, id);
    CREATE INDEX runs_expiring ON runs (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
    CREATE UNIQUE INDEX runs_key ON runs (idempotency, coalesce(principal, ''), (principal IS NULL))
        WHERE idempotency IS NOT NULL;
    CREATE TABLE events (
        run uuid NOT NULL,
        seq int8 NOT NULL,
        at_ms int8 NOT NULL,
        class int2 NOT NULL,
        data text NOT NULL,
        memo text,
        PRIMARY KEY (run, seq)
    );
"];

/// The last version that this program knows.
pub(crate) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Whether the schema `$1` is one of this program.
const HAS_VERSION: &str = "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_version'";

/// The version of the schema; `None` if it is not there, or has nothing of this program.
pub(super) async fn version(client: &Client, name: &str) -> Result<Option<i64>, Fault> {
    if client.query_opt(HAS_VERSION, &[&name]).await?.is_none() {
        return Ok(None);
    }
    let found = client.query_opt("SELECT version FROM schema_version", &[]).await?;
    Ok(found.map(|row| row.try_get(0)).transpose()?)
}

/// Makes the schema what this program knows; `name` was checked to be a plain name.
pub(super) async fn migrate(client: &mut Client, name: &str) -> Result<(), Fault> {
    let write = client.transaction().await?;
    // Others may make the schema now; nothing here takes long.
    write.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let is_there =
        write.query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&name]).await?.is_some();
    if !is_there {
        write.batch_execute(&format!("CREATE SCHEMA {name}")).await?;
    }
    if write.query_opt(HAS_VERSION, &[&name]).await?.is_none() {
        write.batch_execute("CREATE TABLE schema_version (version int8 NOT NULL)").await?;
    }
    let found = write.query_opt("SELECT version FROM schema_version", &[]).await?;
    let found: i64 = found.map_or(Ok(0), |row| row.try_get(0))?;
    if found > KNOWN {
        return Err(StoreError::NewerSchema { found, known: KNOWN }.into());
    }
    if found == KNOWN {
        return Ok(());
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        write.batch_execute(migration).await?;
    }
    write.batch_execute("DELETE FROM schema_version").await?;
    write.execute("INSERT INTO schema_version VALUES ($1)", &[&KNOWN]).await?;
    write.commit().await?;
    Ok(())
}
