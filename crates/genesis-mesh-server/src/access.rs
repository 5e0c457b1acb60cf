//! Access: who asks, what that one may do, and how much at the same time.
//!
//! Owns: the principal of a request and its permits.
//! Never: runs anything.
//! Flow: the router admits a request and gives it its `Principal`; `served` asks it before each run.

use crate::options::ServeOptions;
use crate::telemetry::RequestContext;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who asks, in which request; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// The key's name; `anonymous` where no keys are asked for.
    pub(crate) name: Arc<str>,
    /// The request that it came with; on a socket the handshake.
    pub(crate) request: RequestContext,
    runs: Option<Arc<Semaphore>>,
}

/// The right to one run; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct RunPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Why a request is refused before anything is asked of an agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccessError {
    #[error("this key has as many runs as it may have at the same time; wait for one to end")]
    TooManyRuns,
}

impl AccessError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::TooManyRuns => "too_many_runs",
        }
    }
}

impl Principal {
    /// The right to run `agent` once.
    ///
    /// # Errors
    /// The key has no right to it, or too many runs already.
    pub(crate) fn permit(&self, _agent: &str) -> Result<RunPermit, AccessError> {
        let permit = match &self.runs {
            Some(runs) => Some(Arc::clone(runs).try_acquire_owned().map_err(|_| AccessError::TooManyRuns)?),
            None => None,
        };
        Ok(RunPermit { _permit: permit })
    }
}

/// The keys of a server, with what each does at the moment.
#[derive(Debug)]
pub(crate) struct Access {
    anonymous: Principal,
}

impl Access {
    pub(crate) fn new(_options: &ServeOptions) -> Self {
        Self {
            anonymous: Principal { name: "anonymous".into(), request: RequestContext::default(), runs: None },
        }
    }
}

/// Gives the request its principal, or refuses it.
pub(crate) async fn admit(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let context = request.extensions().get::<RequestContext>().cloned().unwrap_or_default();
    let principal = Principal { request: context, ..access.anonymous.clone() };
    principal.request.identify(&principal.name);
    request.extensions_mut().insert(principal);
    next.run(request).await
}
