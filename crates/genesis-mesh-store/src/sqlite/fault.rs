//! What SQLite says, as errors of the contract.
//!
//! Owns: which of SQLite's codes is which error, and the advice that goes with it.
//! Never: retries; who calls may, if the error says so.

use genesis_mesh_core::store::StoreError;
use rusqlite::{Error, ErrorCode};
use std::fmt;

/// What goes wrong when a statement runs: never an unknown checkpoint.
pub(super) fn fault(error: Error) -> StoreError {
    let code = match &error {
        Error::SqliteFailure(failure, _) => failure.code,
        // A value of another type than the schema has, or a row that is not there.
        _ => return corrupt(error),
    };
    match code {
        ErrorCode::DiskFull => {
            StoreError::Full { message: format!("{error}; make room on the disk, or allow a larger file") }
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => corrupt(error),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            unavailable(format!("{error}; let this user write the file and its folder"))
        }
        ErrorCode::CannotOpen => unavailable(format!("{error}; look at the path and its permissions")),
        ErrorCode::SystemIoFailure => unavailable(format!("{error}; look at the disk")),
        _ => unavailable(error),
    }
}

pub(super) fn corrupt(what: impl fmt::Display) -> StoreError {
    StoreError::Corrupt { message: format!("{what}; restore a backup of the file") }
}

pub(super) fn unavailable(what: impl fmt::Display) -> StoreError {
    StoreError::Unavailable { message: what.to_string() }
}
