//! Connections: what a URL says, and how each connection is set up.
//!
//! Owns: the options, the pools, and the bounds that keep a call from waiting for ever.
//! Never: tells a password, in an error or in a log.

use super::fault::{Fault, hopeless};
use super::{in_use, schema};
use crate::rows::unavailable;
use deadpool_postgres::{
    Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use genesis_mesh_core::store::StoreError;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};

/// How a store on PostgreSQL is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// The schema with the tables: letters, digits and `_`, in lower case.
    pub schema: String,
    /// At most so many connections for reads and for what no lane does.
    pub connections: usize,
    /// So many groups of commits are written at one time, each on a connection of its own. One is quickest where the
    /// flush to disk is what takes long: its groups are the largest.
    pub lanes: usize,
    /// How long the making of a connection may take.
    pub connect_timeout: Duration,
    /// How long a statement may take before the server stops it.
    pub statement_timeout: Duration,
    /// It is opened to be copied: it does not count as one that uses the schema.
    pub(super) is_copied: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "genesis_mesh".to_owned(),
            connections: 8,
            lanes: 1,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            is_copied: false,
        }
    }
}

impl PostgresOptions {
    /// With another schema.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// With another bound of the connections beside those of the lanes.
    #[must_use]
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count.max(1);
        self
    }

    /// With another number of lanes.
    #[must_use]
    pub fn lanes(mut self, count: usize) -> Self {
        self.lanes = count.max(1);
        self
    }

    /// With another bound for the making of a connection.
    #[must_use]
    pub fn connect_timeout(mut self, bound: Duration) -> Self {
        self.connect_timeout = bound;
        self
    }

    /// With another bound for statements.
    #[must_use]
    pub fn statement_timeout(mut self, bound: Duration) -> Self {
        self.statement_timeout = bound;
        self
    }

    /// For a store that is copied: it does not use the schema beside others, it must have it alone.
    pub(crate) fn copied(mut self) -> Self {
        self.is_copied = true;
        self
    }

    /// How long a caller waits for a connection and a transaction before the connection is given up: the server's own
    /// bound has passed by then, so it is the network that is silent.
    pub(super) fn patience(&self) -> Duration {
        self.statement_timeout + self.connect_timeout
    }
}

/// The two pools of a store, on a database with this program's schema.
pub(super) struct Pools {
    pub(super) reads: Pool,
    pub(super) lanes: Pool,
    /// Where the database is, in words that may be told.
    pub(super) place: String,
}

pub(super) async fn open(url: &str, options: &PostgresOptions) -> Result<Pools, StoreError> {
    let mut config = config(url)?;
    config.connect_timeout(options.connect_timeout).keepalives_idle(Duration::from_secs(30));
    config.tcp_user_timeout(options.patience());
    if config.get_application_name().is_none() {
        config.application_name("genesis-mesh");
    }
    let place = place(&config);
    let open = async {
        check_name(&options.schema)?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(hopeless(
                "sslmode=require asks for TLS, which this store does not speak; use a local proxy that does, and \
                 sslmode=disable",
            ));
        }
        let lanes = pool(&config, options, options.lanes, true)?;
        let migrate = async {
            let mut client: Client = lanes.get().await.map_err(Fault::from)?;
            schema::migrate(&mut client, &options.schema).await
        };
        let migrated = timeout(options.patience(), migrate).await;
        migrated
            .map_err(|_| {
                unavailable("the schema could not be made in time; look what the database is busy with")
            })?
            .map_err(Fault::at_opening)?;
        Ok((pool(&config, options, options.connections, false)?, lanes))
    };
    match open.await {
        Ok((reads, lanes)) => Ok(Pools { reads, lanes, place }),
        Err(error) => Err(at(&place, error)),
    }
}

/// The version of the schema of the database, if there is one; makes nothing.
pub(super) async fn version(url: &str, options: &PostgresOptions) -> Result<Option<i64>, StoreError> {
    let mut config = config(url)?;
    config.connect_timeout(options.connect_timeout);
    let place = place(&config);
    let look = async {
        check_name(&options.schema)?;
        let pool = pool(&config, options, 1, false)?;
        let client = pool.get().await.map_err(Fault::from)?;
        schema::version(&client, &options.schema).await
    };
    let silent = || unavailable("the database did not answer in time; look what it is busy with").into();
    let looked = timeout(options.patience(), look).await.unwrap_or_else(|_| Err(silent()));
    looked.map_err(|fault| at(&place, fault.at_opening()))
}

/// What the URL says. Its text is never part of an error: it holds the password.
fn config(url: &str) -> Result<Config, StoreError> {
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let config = url.parse::<Config>().ok().filter(|config| is_url && !config.get_hosts().is_empty());
    config.ok_or_else(|| {
        hopeless(
            "this is no URL of PostgreSQL; write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %-escapes in the \
             password, and no option but sslmode, application_name and the like",
        )
    })
}

/// Where the database is, without the password.
fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
        _ => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let (user, database) = (config.get_user().unwrap_or("?"), config.get_dbname());
    format!("{user}@{host}:{port}/{}", database.unwrap_or(user))
}

/// The error, with the database that it is about.
pub(super) fn at(place: &str, mut error: StoreError) -> StoreError {
    if let StoreError::Unavailable { message }
    | StoreError::Refused { message }
    | StoreError::InUse { message }
    | StoreError::Corrupt { message }
    | StoreError::Full { message } = &mut error
    {
        *message = format!("PostgreSQL at {place}: {message}");
    }
    error
}

/// A name that needs no quotes.
fn check_name(name: &str) -> Result<(), StoreError> {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let begins = name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_');
    if begins && name.len() <= 63 && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(hopeless(format!("{name:?} is no name of a schema: use letters, digits and _, in lower case")))
}

fn pool(config: &Config, options: &PostgresOptions, size: usize, is_lane: bool) -> Result<Pool, StoreError> {
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config.clone(), NoTls, manager);
    let bound = Some(options.connect_timeout);
    let timeouts = Timeouts { wait: Some(options.patience()), create: bound, recycle: bound };
    let set_up = set_up(options, is_lane);
    let hook = Hook::async_fn(move |client, _| {
        let set_up = set_up.clone();
        Box::pin(async move { client.batch_execute(&set_up).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(size)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .post_create(hook)
        .build()
        .map_err(unavailable)
}

/// What is set on each connection. A commit is on disk when it is answered, also where the server's default is less;
/// where it is more, that stays.
fn set_up(options: &PostgresOptions, is_lane: bool) -> String {
    let milliseconds = options.statement_timeout.as_millis().max(1);
    let mut statements = format!(
        "SET search_path TO {}; SET statement_timeout TO {milliseconds};
         SET idle_in_transaction_session_timeout TO {milliseconds}; SET client_encoding TO 'UTF8';
         SELECT set_config('synchronous_commit', 'on', false)
         WHERE current_setting('synchronous_commit') IN ('off', 'local');",
        options.schema
    );
    if is_lane && !options.is_copied {
        statements.push_str(&in_use::share(&options.schema));
    }
    if is_lane {
        // The one statement of a lane is large; its plan does not depend on the values, and is made when tables may
        // still be small: it must be good when they are large.
        statements.push_str(
            "SET plan_cache_mode TO force_generic_plan; SET jit TO off; SET enable_seqscan TO off;",
        );
    }
    statements
}
