//! Statements: how they are run, prepared once for each connection.
//!
//! Owns: the two or three forms of a statement that all others are written with.
//! Never: knows a table.

use super::fault::fault;
use genesis_mesh_core::store::StoreError;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension as _, Params, Row};

/// Runs a statement that gives nothing; returns how many rows it changed.
pub(super) fn run(write: &Connection, statement: &str, values: impl Params) -> Result<usize, StoreError> {
    write.prepare_cached(statement).and_then(|mut statement| statement.execute(values)).map_err(fault)
}

/// The first row, if there is one.
pub(super) fn first<T>(
    read: &Connection,
    statement: &str,
    values: impl Params,
    look: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    let mut find = read.prepare_cached(statement).map_err(fault)?;
    find.query_row(values, look).optional().map_err(fault)
}

/// The first column of all rows.
pub(super) fn column<T: FromSql>(
    read: &Connection,
    statement: &str,
    values: impl Params,
) -> Result<Vec<T>, StoreError> {
    let mut find = read.prepare_cached(statement).map_err(fault)?;
    let rows = find.query_map(values, |row| row.get(0)).map_err(fault)?;
    rows.collect::<Result<_, _>>().map_err(fault)
}
