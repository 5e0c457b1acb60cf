//! Access: who asks, what that one may do, and how much at the same time.
//!
//! Owns: the decision to admit a request, and the principal that it gets.
//! Never: runs anything; knows a key only by its hash.
//! Flow: the router admits a request and gives it its `Principal`; `served` asks it before each run.

mod error;
mod need;
mod site;
mod principal;
mod ticket;

pub(crate) use self::error::AccessError;
pub(crate) use self::principal::{Principal, RunPermit};
pub(crate) use self::site::{InvalidOrigin, is_origin};

use self::need::Need;
use self::site::Site;
use self::ticket::Tickets;
use crate::clock;
use crate::http::credential::Credential;
use crate::options::ServeOptions;
use crate::telemetry::RequestContext;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, UPGRADE};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::{AllowHeaders, CorsLayer};

/// How long a browser may remember what a preflight told it; ten minutes, the most that some keep.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// The keys of a server, its tickets, and the pages that may use it.
#[derive(Debug)]
pub(crate) struct Access {
    /// Who asks without a key: everybody if there are no keys, a stranger otherwise.
    keyless: Principal,
    keys: Vec<Principal>,
    tickets: Tickets,
    site: Site,
}

impl Access {
    /// # Errors
    /// The options name an origin that is none.
    pub(crate) fn new(options: &ServeOptions, bound: Option<IpAddr>) -> Result<Self, InvalidOrigin> {
        let runs_max = options.limits.runs_per_key;
        let keys: Vec<_> = options.keys.iter().map(|key| Principal::of_key(key.clone(), runs_max)).collect();
        let keyless = if keys.is_empty() { Principal::everybody() } else { Principal::stranger() };
        // Nobody but this machine reaches a loopback address, except through the browser of whoever sits at it.
        let guards_names =
            keys.is_empty() && bound.is_some_and(|address| address.to_canonical().is_loopback());
        let site = Site::new(&options.origins, options.tls.is_some(), guards_names)?;
        Ok(Self { keyless, keys, tickets: Tickets::default(), site })
    }

    /// Who sends this request.
    ///
    /// # Errors
    /// Why it is refused.
    fn principal(&self, request: &Request) -> Result<Principal, AccessError> {
        let need = Need::of(request.uri().path());
        if need == Need::Nothing {
            return Ok(self.keyless.clone());
        }
        self.site.check(request.headers())?;
        if self.keys.is_empty() {
            return Ok(self.keyless.clone());
        }
        let principal = match request.extensions().get() {
            None => return Err(AccessError::KeyMissing),
            Some(Credential::Misplaced) => return Err(AccessError::KeyMisplaced),
            Some(Credential::Key(secret)) => self.holder(&secret.sha256()).ok_or(AccessError::KeyInvalid)?,
            // Only a handshake uses a ticket up: nothing else needs one.
            Some(Credential::Ticket(_)) if !request.headers().contains_key(UPGRADE) => {
                return Err(AccessError::TicketInvalid);
            }
            Some(Credential::Ticket(secret)) => {
                let redeemed = self.tickets.redeem(&secret.sha256(), clock::instant());
                redeemed.ok_or(AccessError::TicketInvalid)?
            }
        };
        principal.opens(need, clock::unix_seconds())?;
        Ok(principal)
    }

    /// The principal of the key with this hash. Every key is compared, whichever it is.
    fn holder(&self, sha256: &[u8; 32]) -> Option<Principal> {
        let mut found = None;
        for principal in &self.keys {
            if principal.key().is_some_and(|key| key.is_key_of(sha256).into()) {
                found = Some(principal);
            }
        }
        found.cloned()
    }

    /// What tells browsers that pages of other origins may read answers; `None` if none may.
    pub(crate) fn cors(&self) -> Option<CorsLayer> {
        let origins: Vec<HeaderValue> =
            self.site.origins().iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
        let told = ["x-request-id", "retry-after", "retry-after-ms", "www-authenticate"];
        let layer = CorsLayer::new()
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            // The official clients send headers of their own on each request.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(told.map(HeaderName::from_static))
            .max_age(PREFLIGHT_AGE);
        (!origins.is_empty()).then(|| layer.allow_origin(origins))
    }
}

/// Gives the request its principal, or refuses it.
pub(crate) async fn admit(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    match access.principal(&request) {
        Ok(principal) => {
            let context = request.extensions().get::<RequestContext>().cloned().unwrap_or_default();
            request.extensions_mut().remove::<Credential>();
            request.extensions_mut().insert(principal.within(context));
            next.run(request).await
        }
        Err(error) => {
            tracing::debug!(code = error.code(), path = request.uri().path(), "refused a request");
            error.into_response()
        }
    }
}

/// `POST /v1/realtime/client_secrets`: a ticket for one WebSocket. The body is not read: every ticket is the same.
pub(crate) async fn give_ticket(
    State(access): State<Arc<Access>>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, AccessError> {
    let ticket = access.tickets.give(&principal, clock::instant(), clock::unix_seconds())?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(ticket)).into_response())
}
