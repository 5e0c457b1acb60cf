//! The pulse: a write that changes nothing, to see whether one could.
//!
//! Owns: the one row of `pulse`.
//! Never: leaves anything behind but a number.

use super::statement::run;
use genesis_mesh_core::store::StoreError;
use rusqlite::Connection;

/// A commit of the usual size finds room if this does: the pages that it could need anew.
const ROOM_BYTES: i64 = 65_536;

/// Takes room for a commit and gives it back, then writes a row: the first finds a full database, the second a full disk
/// and a file that can't be written.
pub(super) fn check(write: &Connection) -> Result<(), StoreError> {
    run(write, "SAVEPOINT room", [])?;
    run(write, "UPDATE pulse SET room = zeroblob(?1)", [ROOM_BYTES])?;
    run(write, "ROLLBACK TO room", [])?;
    run(write, "RELEASE room", [])?;
    run(write, "UPDATE pulse SET beats = (beats + 1) % 1000", [])?;
    Ok(())
}
