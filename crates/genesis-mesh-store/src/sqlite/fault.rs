//! What SQLite says, as errors of the contract.
//!
//! Owns: which of SQLite's codes is which error, and the advice that goes with it.
//! Never: retries; who calls may, if the error says so.

use crate::rows::{corrupt, unavailable};
use genesis_mesh_core::store::StoreError;
use rusqlite::{Error, ErrorCode, ffi};

/// How it begins to say that the file itself is damaged, and not one record in it.
const DAMAGED: &str = "the file is damaged: ";

/// What goes wrong when a statement runs: never an unknown checkpoint.
pub(super) fn fault(error: Error) -> StoreError {
    let failure = match &error {
        Error::SqliteFailure(failure, _) => *failure,
        // A value of another type than the schema has, or a row that is not there.
        _ => return corrupt(error),
    };
    match failure.code {
        ErrorCode::DiskFull => full(&error),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => damaged(&error),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            unavailable(format!("{error}; let this user write the file and its folder"))
        }
        ErrorCode::CannotOpen => unavailable(format!("{error}; look at the path and its permissions")),
        ErrorCode::SystemIoFailure => refused(failure.extended_code, &error),
        _ => unavailable(error),
    }
}

/// What the system refuses; SQLite keeps the reason to itself.
fn refused(code: i32, error: &Error) -> StoreError {
    match code {
        ffi::SQLITE_IOERR_CORRUPTFS => damaged(error),
        // The index of the log is made as large as it may become: that finds no room on a full disk.
        ffi::SQLITE_IOERR_SHMSIZE => full(error),
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ => {
            unavailable(format!("{error}: the disk can't be read; look whether it is broken or away"))
        }
        _ => unavailable(format!(
            "{error}: the disk refuses what is written; look whether it is mounted read-only, over its quota or broken"
        )),
    }
}

fn full(error: &Error) -> StoreError {
    StoreError::Full { message: format!("{error}; make room on the disk, or allow a larger file") }
}

fn damaged(error: &Error) -> StoreError {
    corrupt(format!("{DAMAGED}{error}; stop the server"))
}

/// Whether the file is damaged; else one record is, and others can be read.
pub(super) fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { message } if message.starts_with(DAMAGED))
}
