//! Where runs and threads are kept, and what carries hints: as a program says it, opened by setup.
//!
//! Owns: the texts that name a store or a bus, and opening them.
//! Never: keeps a password in what it shows.
//! Flow: `GenesisMesh::store` and `bus` take these; `setup` opens them before it loads a model.

use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::bus::{Bus, BusError};
use genesis_mesh_core::log::RunStore;
use genesis_mesh_core::store::StoreError;
use genesis_mesh_store::{
    DiskStore, Found, LocalBus, MemoryStore, NatsBus, PostgresBus, PostgresOptions, PostgresStore,
    SqliteOptions, SqliteStore,
};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The name of the database in a data folder.
const DATABASE: &str = "genesis-mesh.db";

/// The name under which servers of one mesh find each other on a bus; two meshes on one server hear each other, which
/// costs them some looks at their stores and nothing else.
const BUS_NAME: &str = "mesh";

/// Where runs and threads are kept.
#[derive(Clone, Default)]
pub enum StoreSource {
    /// In memory, for as long as the process lives.
    #[default]
    Memory,
    /// In a SQLite database at this path, which is this process's alone.
    Sqlite(PathBuf, SqliteOptions),
    /// In the PostgreSQL database of this address, which other processes may share.
    Postgres(String, PostgresOptions),
    /// In a store that is open already.
    Open(Arc<dyn RunStore>),
}

/// What carries hints.
#[derive(Clone, Default)]
pub enum BusSource {
    /// This process alone hears them.
    #[default]
    Local,
    /// `NOTIFY` of the PostgreSQL database of this address.
    Postgres(String),
    /// The NATS server of this address.
    Nats(String),
    /// A bus that is there already.
    Open(Arc<dyn Bus>),
}

/// A text that names no store or no bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct UnknownSource {
    /// What is expected instead.
    expected: &'static str,
}

impl StoreSource {
    /// The store that `text` names: `memory`, `sqlite` (in `data_dir`), `sqlite:PATH`, or `postgres://…`.
    ///
    /// # Errors
    /// It names none.
    pub fn parse(text: &str, data_dir: &Path) -> Result<Self, UnknownSource> {
        let expected =
            "expected `memory`, `sqlite`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`";
        match text {
            "memory" => Ok(Self::Memory),
            "sqlite" => Ok(Self::Sqlite(data_dir.join(DATABASE), SqliteOptions::default())),
            _ if is_postgres(text) => Ok(Self::Postgres(text.to_owned(), PostgresOptions::default())),
            _ => match text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
                Some(path) => Ok(Self::Sqlite(path.into(), SqliteOptions::default())),
                None => Err(UnknownSource { expected }),
            },
        }
    }

    /// What is there; makes and changes nothing. Whether somebody has it open is seen when it is opened.
    ///
    /// # Errors
    /// It can't be reached, is another program's, or a newer program has written it.
    pub async fn look(&self) -> Result<Found, StoreError> {
        match self.clone() {
            Self::Memory => Ok(Found::Nothing),
            Self::Sqlite(path, _) => on_a_thread(move || SqliteStore::look(path)).await,
            Self::Postgres(url, options) => PostgresStore::look(&url, &options).await,
            Self::Open(_) => Ok(Found::Ready),
        }
    }

    /// Opens it for [`carry`](genesis_mesh_store::carry), which no other process may have open then.
    ///
    /// # Errors
    /// As [`StoreSource::open`] has; and what is in memory, or open already, can't be carried.
    pub async fn open_to_carry(self) -> Result<DiskStore, StoreError> {
        match self {
            Self::Sqlite(path, options) => on_a_thread(move || DiskStore::sqlite(path, &options)).await,
            Self::Postgres(url, options) => DiskStore::postgres(&url, &options).await,
            Self::Memory | Self::Open(_) => {
                Err(StoreError::Unavailable { message: format!("{self}: only what is on disk is carried") })
            }
        }
    }

    /// As [`StoreSource::open`]; a database that is away, or still starting, is waited for so long.
    pub(crate) async fn open_within(self, bound: Duration) -> Result<Arc<dyn RunStore>, StoreError> {
        match self {
            Self::Postgres(..) => {
                let name = self.to_string();
                waited_for(&name, bound, || Box::pin(self.clone().open())).await
            }
            here => here.open().await,
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// The store can't be opened; the error says what to do.
    pub async fn open(self) -> Result<Arc<dyn RunStore>, StoreError> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new()),
            Self::Sqlite(path, options) => {
                Arc::new(on_a_thread(move || SqliteStore::open_with(path, &options)).await?)
            }
            Self::Postgres(url, options) => Arc::new(PostgresStore::connect(&url, &options).await?),
            Self::Open(store) => store,
        })
    }

    /// Whether this process alone has it: what is claimed when it starts was left by one that is gone.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self, Self::Memory | Self::Sqlite(..))
    }
}

impl BusSource {
    /// The bus that `text` names: `local`, `postgres` (that of the store), `postgres://…` or `nats://…`.
    ///
    /// # Errors
    /// It names none, or `postgres` where the store is none.
    pub fn parse(text: &str, store: &StoreSource) -> Result<Self, UnknownSource> {
        let expected = "expected `local`, `nats://HOST:4222`, or, with a store on PostgreSQL, `postgres`";
        match (text, store) {
            ("local", _) => Ok(Self::Local),
            ("postgres", StoreSource::Postgres(url, _)) => Ok(Self::Postgres(url.clone())),
            _ if is_postgres(text) => Ok(Self::Postgres(text.to_owned())),
            _ if text.starts_with("nats://") || text.starts_with("tls://") => Ok(Self::Nats(text.to_owned())),
            _ => Err(UnknownSource { expected }),
        }
    }

    /// The bus that goes with a store if nobody says: `NOTIFY` for PostgreSQL, this process alone else.
    #[must_use]
    pub fn of(store: &StoreSource) -> Self {
        match store {
            StoreSource::Postgres(url, _) => Self::Postgres(url.clone()),
            _ => Self::Local,
        }
    }

    /// Opens it; its server need not be there yet.
    ///
    /// # Errors
    /// The address is none.
    pub async fn open(self) -> Result<Arc<dyn Bus>, BusError> {
        Ok(match self {
            Self::Local => Arc::new(LocalBus::new()),
            Self::Postgres(url) => Arc::new(PostgresBus::connect(&url, BUS_NAME).await?),
            Self::Nats(url) => Arc::new(NatsBus::connect(&url, BUS_NAME).await?),
            Self::Open(bus) => bus,
        })
    }
}

/// How often a store that is away is looked for, and how often that is said.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const LOOKS_UNTOLD: u32 = 5;

/// What `open` gives; as long as the store is away, or busy with its start, it is tried again, until `bound` is over. What no
/// waiting mends is told at once.
async fn waited_for<T>(
    name: &str,
    bound: Duration,
    open: impl Fn() -> BoxFuture<'static, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let is_away = |error: &StoreError| matches!(error, StoreError::Unavailable { .. });
    let mut last = match open().await {
        Err(error) if is_away(&error) => error,
        done => return done,
    };
    let looks = async {
        for look in 0_u32.. {
            if look % LOOKS_UNTOLD == 0 {
                let seconds = bound.as_secs();
                tracing::warn!(
                    store = name, error = %last,
                    "the store is away, and is waited for, {seconds} s in all: start it, or correct its address"
                );
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            match open().await {
                Err(error) if is_away(&error) => last = error,
                done => return Some(done),
            }
        }
        None
    };
    match timeout(bound, looks).await {
        Ok(Some(done)) => done,
        Ok(None) | Err(_) => Err(last),
    }
}

/// Reads a disk, and perhaps migrates what is on it: not for an async thread.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let stopped = |error| StoreError::Unavailable { message: format!("it was not opened: {error}") };
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}

fn is_postgres(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

impl<S: RunStore + 'static> From<Arc<S>> for StoreSource {
    fn from(store: Arc<S>) -> Self {
        Self::Open(store)
    }
}

impl From<Arc<dyn RunStore>> for StoreSource {
    fn from(store: Arc<dyn RunStore>) -> Self {
        Self::Open(store)
    }
}

impl<B: Bus + 'static> From<Arc<B>> for BusSource {
    fn from(bus: Arc<B>) -> Self {
        Self::Open(bus)
    }
}

impl From<Arc<dyn Bus>> for BusSource {
    fn from(bus: Arc<dyn Bus>) -> Self {
        Self::Open(bus)
    }
}

/// An address without its password.
fn shown(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => url.to_owned(),
    }
}

impl fmt::Display for StoreSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path, _) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url, _) => f.write_str(&shown(url)),
            Self::Open(store) => write!(f, "{store:?}"),
        }
    }
}

impl fmt::Display for BusSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Postgres(url) | Self::Nats(url) => f.write_str(&shown(url)),
            Self::Open(bus) => write!(f, "{bus:?}"),
        }
    }
}

impl fmt::Debug for StoreSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreSource({self})")
    }
}

impl fmt::Debug for BusSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BusSource({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn away() -> StoreError {
        StoreError::Unavailable { message: "the database system is starting up".to_owned() }
    }

    /// What comes of a store that gives `last` after so many times at which it was away, with how often it was tried and
    /// how long it took.
    async fn opened(
        times: u32,
        last: Result<(), StoreError>,
        bound_s: u64,
    ) -> (Result<(), StoreError>, u32, u64) {
        let (tries, begun) = (AtomicU32::new(0), tokio::time::sleep(Duration::ZERO).deadline());
        let open = || -> BoxFuture<'static, _> {
            let is_away = tries.fetch_add(1, Ordering::Relaxed) < times;
            Box::pin(std::future::ready(if is_away { Err(away()) } else { last.clone() }))
        };
        let opened = waited_for("postgres://db", Duration::from_secs(bound_s), open).await;
        (opened, tries.load(Ordering::Relaxed), begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_at_the_start_is_waited_for_and_not_for_ever() {
        assert_eq!(opened(0, Ok(()), 30).await, (Ok(()), 1, 0));
        assert_eq!(opened(7, Ok(()), 30).await, (Ok(()), 8, 7));
        let (opened_late, tries, seconds) = opened(u32::MAX, Ok(()), 30).await;
        assert_eq!((opened_late, seconds), (Err(away()), 30));
        assert!((29..=31).contains(&tries), "{tries}");
        assert_eq!(opened(u32::MAX, Ok(()), 0).await, (Err(away()), 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_refuses_is_not_waited_for() {
        let refused = || StoreError::Refused { message: "a wrong password".to_owned() };
        let newer = || StoreError::NewerSchema { found: 9, known: 1 };
        assert_eq!(opened(0, Err(refused()), 30).await, (Err(refused()), 1, 0));
        assert_eq!(opened(2, Err(newer()), 30).await, (Err(newer()), 3, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_none_is_told_at_once() {
        let source = StoreSource::Postgres("postgres://".to_owned(), PostgresOptions::default());
        let begun = tokio::time::sleep(Duration::ZERO).deadline();
        let error = source.open_within(Duration::from_secs(30)).await.err().map(|error| error.code());
        assert_eq!((error, begun.elapsed().as_secs()), (Some("store_refused"), 0));
    }
}
