//! The database: its tables, their versions, and how a connection is set up.
//!
//! Owns: the migrations, which are only ever added to, and the settings that make a commit durable.
//! Never: reads or writes what a thread has.
//! Flow: the writer's connection migrates first; readers open after that.

use super::fault::fault;
use crate::rows::unavailable;
use genesis_mesh_core::store::StoreError;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use std::path::Path;
use std::time::Duration;

/// "GMsh": whose database this is.
pub(super) const APPLICATION_ID: i64 = 0x474d_7368;
/// Readers wait so long for a checkpoint of the log to end. It takes some milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// So many pages of 4 KiB the log has when they are moved to the database. No commit is made meanwhile, so it is short: with
/// SQLite's own 1,000 the slowest hundredth of the tokens of 64 streams waited 4 to 6 ms, with 8,000 some 14 ms, with 250
/// 2.5 ms; the fewer, the more often the disk has to sync.
const LOG_PAGES_MAX: i64 = 400;
/// What is left of the log on disk after many writes at once: SQLite's own bound of 1,000 pages of 4 KiB.
const LOG_BYTES_MAX: i64 = 4096 * 1000;
/// More statements than there are texts of them.
const STATEMENTS_MAX: usize = 128;

/// One text for each version, the first makes version 1.
// table
pub(super) const MIGRATIONS: [&str; 2] = ["
    CREATE TABLE graphs (
        graph INTEGER PRIMARY KEY,
        thread TEXT NOT NULL,
        ns TEXT NOT NULL,
        -- What the facts since the last snapshot weigh, and what that weighs.
        fact_weight INTEGER NOT NULL,
        snapshot_weight INTEGER NOT NULL,
        UNIQUE (thread, ns)
    ) STRICT;
    CREATE TABLE checkpoints (
        key INTEGER PRIMARY KEY,
        graph INTEGER NOT NULL,
        -- 16 bytes, the greatest first, so that later ones come later.
        id BLOB NOT NULL,
        parent BLOB,
        step INTEGER NOT NULL,
        source TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        -- How many facts the parent had when this one was kept.
        parent_facts INTEGER NOT NULL,
        -- JSON of parents and metadata; NULL if there are none.
        labels TEXT,
        -- JSON; NULL if none was kept, empty for the commit of this checkpoint.
        fact TEXT,
        UNIQUE (graph, id)
    ) STRICT;
    -- The key is that of the checkpoint, shifted by 24 bits, and the place from 0: the facts of a checkpoint
    -- are neighbours, in order, without an index.
    CREATE TABLE facts (key INTEGER PRIMARY KEY, fact TEXT NOT NULL) STRICT;
    CREATE TABLE snapshots (checkpoint INTEGER PRIMARY KEY, snapshot TEXT NOT NULL) STRICT;
", "
    -- In which era of its thread it came; NULL is before all. An era begins when a run begins to work.
    ALTER TABLE checkpoints ADD COLUMN era INTEGER;
    ALTER TABLE facts ADD COLUMN era INTEGER;
    CREATE TABLE threads (
        thread TEXT PRIMARY KEY,
        created_at_ms INTEGER NOT NULL,
        updated_at_ms INTEGER NOT NULL,
        ttl_ms INTEGER,
        -- JSON; NULL if there are none.
        metadata TEXT,
        era INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX threads_that_end ON threads (updated_at_ms + ttl_ms) WHERE ttl_ms IS NOT NULL;
    INSERT INTO threads (thread, created_at_ms, updated_at_ms, era)
        SELECT thread, ifnull(min(created_at_ms), 0), ifnull(max(created_at_ms), 0), 0
        FROM graphs LEFT JOIN checkpoints USING (graph) GROUP BY thread;
    -- What changes often; in the order of acceptance.
    CREATE TABLE runs (
        key INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        agent TEXT NOT NULL,
        thread TEXT,
        status TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        updated_at_ms INTEGER NOT NULL,
        owner TEXT,
        epoch INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        -- NULL if it is nobody's.
        lease_until_ms INTEGER,
        last_seq INTEGER NOT NULL,
        -- The number of the last commit under the present lease.
        last_commit INTEGER NOT NULL,
        watched INTEGER NOT NULL,
        cancel TEXT,
        -- The one that began when it was first claimed.
        era INTEGER,
        -- When it may be swept.
        outlived_at_ms INTEGER,
        open INTEGER AS (CASE status WHEN 'queued' THEN 0 WHEN 'running' THEN 1 END) VIRTUAL
    ) STRICT;
    CREATE INDEX runs_of_thread ON runs (thread, id) WHERE thread IS NOT NULL;
    CREATE INDEX open_runs ON runs (open, lease_until_ms, key) WHERE open IS NOT NULL;
    CREATE INDEX open_runs_of_thread ON runs (thread, key) WHERE open IS NOT NULL;
    CREATE INDEX runs_that_end ON runs (outlived_at_ms) WHERE outlived_at_ms IS NOT NULL;
    -- What is written once and may be long.
    CREATE TABLE texts (
        run INTEGER PRIMARY KEY,
        input TEXT NOT NULL,
        principal TEXT,
        metadata TEXT,
        error TEXT,
        idempotency_key TEXT,
        body_hash BLOB,
        ttl_ms INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX idempotency_keys ON texts (idempotency_key, ifnull(principal, x''))
        WHERE idempotency_key IS NOT NULL;
    -- The key is that of the run, shifted by 28 bits, and the number of the event: the log of a run is in one place,
    -- in order, without an index.
    CREATE TABLE events (
        key INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        class INTEGER NOT NULL,
        data TEXT NOT NULL,
        memo TEXT
    ) STRICT;
    -- What is written to see whether anything can be.
    CREATE TABLE pulse (one INTEGER PRIMARY KEY, beats INTEGER NOT NULL, room BLOB) STRICT;
    INSERT INTO pulse VALUES (1, 0, NULL);
"];

/// The last version that this program knows.
pub(crate) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// The connection of the writer, of a database that has this program's schema.
pub(super) fn open_writer(path: &Path, bytes_max: Option<u64>) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).map_err(fault)?;
    set_up(&connection)?;
    migrate(&mut connection)?;
    if let Some(bytes) = bytes_max {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(fault)?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        set(&connection, "max_page_count", pages.max(1))?;
    }
    Ok(connection)
}

/// The version of the database, if it is there and has something.
pub(super) fn version(path: &Path) -> Result<Option<i64>, StoreError> {
    if !path.is_file() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
    let owner: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(fault)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
    match (owner, tables) {
        (_, 0) => Ok(None),
        (APPLICATION_ID, _) => connection
            .query_row("SELECT version FROM schema_version", [], |row| row.get(0))
            .optional()
            .map_err(fault),
        _ => Err(foreign()),
    }
}

fn foreign() -> StoreError {
    unavailable("the file is another program's database; choose another path")
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    set_up(&connection)?;
    set(&connection, "query_only", 1)?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(fault)?;
    if mode != "wal" {
        return Err(unavailable(format!(
            "the file system allows no write-ahead log ({mode}); use a local disk"
        )));
    }
    // FULL: a commit returns when the log is on disk. Deleted rows are overwritten with zeros. Each page is looked at when
    // it is read, so that damage is told before anything is done by it.
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = OFF;
             PRAGMA cell_size_check = ON;",
        )
        .map_err(fault)?;
    set(connection, "wal_autocheckpoint", LOG_PAGES_MAX)?;
    set(connection, "journal_size_limit", LOG_BYTES_MAX)
}

/// Sets a number; some of these pragmas tell it back.
fn set(connection: &Connection, name: &str, value: i64) -> Result<(), StoreError> {
    connection.execute_batch(&format!("PRAGMA {name} = {value};")).map_err(fault)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let owner: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(fault)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
    if owner != APPLICATION_ID && tables > 0 {
        return Err(foreign());
    }
    let write = connection.transaction().map_err(fault)?;
    write
        .execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT;")
        .map_err(fault)?;
    let found: Option<i64> = write
        .query_row("SELECT version FROM schema_version", [], |row| row.get(0))
        .optional()
        .map_err(fault)?;
    let found = found.unwrap_or(0);
    if found > KNOWN {
        return Err(StoreError::NewerSchema { found, known: KNOWN });
    }
    if found == KNOWN {
        return Ok(());
    }
    let done = usize::try_from(found).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(done) {
        write.execute_batch(migration).map_err(fault)?;
    }
    write.execute("DELETE FROM schema_version", []).map_err(fault)?;
    write.execute("INSERT INTO schema_version VALUES (?1)", [KNOWN]).map_err(fault)?;
    set(&write, "application_id", APPLICATION_ID)?;
    write.commit().map_err(fault)
}
