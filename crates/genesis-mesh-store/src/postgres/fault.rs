//! What PostgreSQL says, as errors of the contract.
//!
//! Owns: which of its codes is which error, the advice that goes with it, and whether the connection is lost.
//! Never: names a password; who calls retries, if the error says so.

use crate::rows::{corrupt, unavailable};
use deadpool_postgres::{HookError, PoolError, TimeoutType};
use genesis_mesh_core::store::StoreError;
use std::error::Error as _;
use std::fmt;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// Two transactions were in each other's way; the same one may succeed now.
    Clash(StoreError),
    /// The connection is lost, and nobody knows whether what was sent was done.
    Lost(StoreError),
    /// The server refuses this program. While it works that may be a mistake that is being mended, so it is tried again; at
    /// its start nothing else will come of it.
    Refused(StoreError),
    /// Anything else; it was not done.
    Other(StoreError),
}

impl Fault {
    pub(super) fn error(self) -> StoreError {
        match self {
            Self::Clash(error) | Self::Lost(error) | Self::Refused(error) | Self::Other(error) => error,
        }
    }

    /// The error of an opening.
    pub(super) fn at_opening(self) -> StoreError {
        match self {
            Self::Refused(StoreError::Unavailable { message }) => StoreError::Refused { message },
            fault => fault.error(),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let Some(code) = error.code() else {
            return match error.is_closed()
                || error.source().is_some_and(|source| source.is::<std::io::Error>())
            {
                true => Self::Lost(unavailable(format!("the connection was lost: {}", told(&error)))),
                // As when the server asks for a password, and the URL has none.
                false if error.to_string().starts_with("invalid configuration") => {
                    Self::Refused(unavailable(format!("{}; correct the URL", told(&error))))
                }
                false => Self::Other(unavailable(told(&error))),
            };
        };
        let text = told(&error);
        match code {
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
                Self::Clash(unavailable(text))
            }
            &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN => Self::Lost(unavailable(text)),
            code if code.code().starts_with("08") => Self::Lost(unavailable(text)),
            code @ (&SqlState::INVALID_PASSWORD
            | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | &SqlState::INVALID_CATALOG_NAME
            | &SqlState::INSUFFICIENT_PRIVILEGE) => Self::Refused(refused(code, text)),
            code => Self::Other(refused(code, text)),
        }
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                // Nothing was sent yet.
                let text = told(&error);
                match Self::from(error) {
                    Self::Lost(_) => Self::Other(unavailable(format!(
                        "{text}; look whether the server runs and can be reached"
                    ))),
                    Self::Refused(error) => Self::Refused(error),
                    fault => Self::Other(fault.error()),
                }
            }
            PoolError::Timeout(TimeoutType::Wait) => Self::Other(unavailable(
                "all connections are busy; allow more of them, or look what the database is busy with",
            )),
            PoolError::Timeout(_) => Self::Other(unavailable(
                "the server does not answer; look whether it runs and can be reached",
            )),
            error => Self::Other(unavailable(error)),
        }
    }
}

/// What a statement or a connection was refused for.
fn refused(code: &SqlState, text: String) -> StoreError {
    let advice = match code {
        &SqlState::DISK_FULL | &SqlState::OUT_OF_MEMORY => {
            return StoreError::Full { message: format!("{text}; make room for the database") };
        }
        &SqlState::OBJECT_IN_USE | &SqlState::LOCK_NOT_AVAILABLE => {
            return StoreError::InUse { message: text };
        }
        &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => return corrupt(text),
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "look at the user and the password of the URL"
        }
        &SqlState::INVALID_CATALOG_NAME => "make the database, or name another one in the URL",
        &SqlState::INSUFFICIENT_PRIVILEGE => "let this user make and write the schema",
        &SqlState::READ_ONLY_SQL_TRANSACTION => "this server only reads; connect to the primary",
        &SqlState::TOO_MANY_CONNECTIONS => {
            "the server allows no more connections; raise max_connections or use fewer"
        }
        &SqlState::QUERY_CANCELED => "the statement took too long; look what the database is busy with",
        &SqlState::CANNOT_CONNECT_NOW => "the server is starting or stopping",
        &SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN | &SqlState::INVALID_SCHEMA_NAME => {
            "the schema was changed by somebody else"
        }
        _ => return unavailable(text),
    };
    unavailable(format!("{text}; {advice}"))
}

/// An error with its causes: the outermost says little.
fn told(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What no waiting mends.
pub(super) fn hopeless(what: impl fmt::Display) -> StoreError {
    StoreError::Refused { message: what.to_string() }
}
