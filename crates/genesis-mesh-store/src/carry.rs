//! Carrying everything from one store on disk into another.
//!
//! Owns: the two stores while it goes on: no other process has one of them.
//! Never: leaves a half: what came is counted before it is committed, in one transaction.
//! Flow: one store reads rows as parts, of one moment; the other writes them; between them they are counted.

#[cfg(test)]
mod tests;

use crate::parts::{CarryError, Counts, PARTS_WAITING, Part};
use crate::postgres::{PostgresOptions, PostgresStore};
use crate::sqlite::{SqliteOptions, SqliteStore};
use futures_util::join;
use genesis_mesh_core::store::StoreError;
use std::path::Path;
use tokio::sync::{mpsc, oneshot};

/// A store that outlives its process, opened to be copied.
#[derive(Debug)]
pub enum DiskStore {
    /// On SQLite.
    Sqlite(SqliteStore),
    /// On PostgreSQL.
    Postgres(PostgresStore),
}

/// What is where a store is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing: it would be made.
    Nothing,
    /// A store of an older schema: it would be migrated.
    Older,
    /// A store that can be opened as it is, if nobody has it.
    Ready,
}

impl Found {
    pub(crate) fn of(version: Option<i64>, known: i64) -> Result<Self, StoreError> {
        match version {
            None => Ok(Self::Nothing),
            Some(found) if found > known => Err(StoreError::NewerSchema { found, known }),
            Some(found) if found < known => Ok(Self::Older),
            Some(_) => Ok(Self::Ready),
        }
    }
}

impl SqliteStore {
    /// What is in the file `path`; makes and changes nothing. Reads the disk.
    ///
    /// # Errors
    /// The file can't be read, is no store, or a newer program wrote it.
    pub fn look(path: impl AsRef<Path>) -> Result<Found, StoreError> {
        Found::of(Self::version(path.as_ref())?, crate::sqlite::KNOWN)
    }
}

impl PostgresStore {
    /// What is in the schema of the database of `url`; makes and changes nothing.
    ///
    /// # Errors
    /// The database can't be reached, or a newer program wrote the schema.
    pub async fn look(url: &str, options: &PostgresOptions) -> Result<Found, StoreError> {
        Found::of(Self::version(url, options).await?, crate::postgres::KNOWN)
    }
}

impl DiskStore {
    /// Opens or makes the store in the file `path`; see [`SqliteStore::open_with`].
    ///
    /// # Errors
    /// As that has.
    pub fn sqlite(path: impl AsRef<Path>, options: &SqliteOptions) -> Result<Self, StoreError> {
        Ok(Self::Sqlite(SqliteStore::open_with(path, options)?))
    }

    /// Connects to a database; see [`PostgresStore::connect`].
    ///
    /// # Errors
    /// As that has.
    pub async fn postgres(url: &str, options: &PostgresOptions) -> Result<Self, StoreError> {
        Ok(Self::Postgres(PostgresStore::connect(url, &options.clone().copied()).await?))
    }

    async fn send_all(
        &self,
        begun: oneshot::Sender<Counts>,
        out: mpsc::Sender<Part>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.send_all(begun, out).await,
            Self::Postgres(store) => store.send_all(begun, out).await,
        }
    }

    async fn take_all(&self, parts: mpsc::Receiver<Part>, expected: Counts) -> Result<Counts, CarryError> {
        match self {
            Self::Sqlite(store) => store.take_all(parts, expected).await,
            Self::Postgres(store) => store.take_all(parts, expected).await,
        }
    }
}

/// Copies everything that `from` holds into `to`, which is empty: all of it, or nothing. `watch` is told of every row how
/// much was read so far. Returns what both have at the end.
///
/// # Errors
/// `to` is not empty, another process has one of the stores open, one of them fails, or what arrived is not what was there.
///
/// # Cancel safety
/// If the future is dropped, nothing is kept.
pub async fn carry(
    from: &DiskStore,
    to: &DiskStore,
    mut watch: impl FnMut(&Counts),
) -> Result<Counts, CarryError> {
    let (begun, counted) = oneshot::channel();
    let (out, mut passing) = mpsc::channel(PARTS_WAITING);
    let (forward, arriving) = mpsc::channel(PARTS_WAITING);
    let pass = async move {
        let mut read = Counts::default();
        while let Some(part) = passing.recv().await {
            read += &part;
            watch(&read);
            // Whoever takes parts no more says why.
            if forward.send(part).await.is_err() {
                return;
            }
        }
    };
    let take = async move {
        match counted.await {
            Ok(expected) => Some(to.take_all(arriving, expected).await),
            Err(_) => None,
        }
    };
    let (sent, (), taken) = join!(from.send_all(begun, out), pass, take);
    match (sent, taken) {
        (_, Some(Err(CarryError::NotEmpty { found }))) => Err(CarryError::NotEmpty { found }),
        (_, Some(Err(CarryError::Store(error)))) => Err(error.into()),
        // It was cut, and so of course it differs.
        (Err(error), _) => Err(error.into()),
        (Ok(()), Some(taken)) => taken,
        (Ok(()), None) => Err(StoreError::Unavailable { message: "the copy was given up".to_owned() }.into()),
    }
}
