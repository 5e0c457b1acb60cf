//! `Serve`: how a library user puts a mesh on the network.
//!
//! Owns: binding, and the trait on `Mesh` and `GenesisMesh`.
//! Never: installs signal handlers or logs; the program that calls it decides.

use crate::access::Access;
use crate::app::{self, App};
use crate::http::TlsError;
use crate::http::accept::Gate;
use crate::options::ServeOptions;
use crate::routes;
use crate::served;
use crate::telemetry::TelemetryError;
use genesis_mesh::{GenesisMesh, Mesh, SetupError, WorksOnce};
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, ToSocketAddrs};

/// Serves a mesh: `WS /ws/{agent}` for each agent, and `GET /health`.
///
/// ```no_run
/// use genesis_mesh::{GenesisMesh, ScriptedModel};
/// use genesis_mesh_server::Serve;
/// # async fn example(ctrl_c: impl Future<Output = ()> + Send) -> Result<(), Box<dyn std::error::Error>> {
/// let model = ScriptedModel::from_toml("[[rule]]\ntext = \"Hello.\"")?;
/// GenesisMesh::new().model("hello", model).serve("127.0.0.1:8080", ctrl_c).await?;
/// # Ok(())
/// # }
/// ```
pub trait Serve: Sized {
    /// Binds `addr` and serves until `stop` resolves and the runs have ended, or were cut.
    ///
    /// # Errors
    /// The mesh or an option is wrong, or the address can't be bound.
    ///
    /// # Cancel safety
    /// Dropping the future drops every connection at once; resolve `stop` for an orderly end.
    fn serve<A: ToSocketAddrs + Send>(
        self,
        addr: A,
        stop: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = Result<(), ServeError>> + Send;

    /// Serves on a listener that is bound already, for example to port 0, with options.
    ///
    /// # Errors
    /// The mesh or an option is wrong, or the telemetry can't be set up.
    fn serve_on(
        self,
        listener: TcpListener,
        options: ServeOptions,
        stop: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = Result<(), ServeError>> + Send;
}

impl Serve for Mesh {
    async fn serve<A: ToSocketAddrs + Send>(
        self,
        addr: A,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let listener = TcpListener::bind(addr).await.map_err(ServeError::Bind)?;
        self.serve_on(listener, ServeOptions::default(), stop).await
    }

    async fn serve_on(
        self,
        listener: TcpListener,
        options: ServeOptions,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let gate = Gate::new(&options)?;
        let bound = listener.local_addr().ok().map(|addr| addr.ip());
        let access =
            Access::new(&options, bound).map_err(|error| ServeError::Origin { origin: error.origin })?;
        let app = Arc::new(App::new(self, options, access)?);
        served::measure_unread(&app.mesh, &app.telemetry);
        let router = routes::router(Arc::clone(&app));
        Ok(app::run(app, listener, router, gate, stop).await?)
    }
}

impl Serve for GenesisMesh {
    async fn serve<A: ToSocketAddrs + Send>(
        self,
        addr: A,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        self.setup().await?.serve(addr, stop).await
    }

    async fn serve_on(
        self,
        listener: TcpListener,
        options: ServeOptions,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        self.setup().await?.serve_on(listener, options, stop).await
    }
}

/// Why a mesh could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The mesh has mistakes.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The telemetry can't be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The address can't be bound.
    #[error("the address can't be bound: {0}")]
    Bind(#[source] io::Error),
    /// The files of the TLS identity are wrong.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The mesh is served already, or was.
    #[error(transparent)]
    Worked(#[from] WorksOnce),
    /// An origin in the options is none.
    #[error(
        "{origin:?} is no origin; write scheme, host and port alone, as in `https://example.org`, or `null`"
    )]
    Origin {
        /// The text of the options.
        origin: String,
    },
}

impl ServeError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setup(error) => error.code(),
            Self::Telemetry(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::Worked(error) => error.code(),
            Self::Bind(_) => "bind_failed",
            Self::Origin { .. } => "origin_invalid",
        }
    }

    /// Whether serving may succeed later without a change: another program may free the address.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Setup(error) => error.is_retryable(),
            Self::Telemetry(error) => error.is_retryable(),
            Self::Tls(error) => error.is_retryable(),
            Self::Worked(error) => error.is_retryable(),
            Self::Origin { .. } => false,
            Self::Bind(error) => error.kind() == io::ErrorKind::AddrInUse,
        }
    }
}
