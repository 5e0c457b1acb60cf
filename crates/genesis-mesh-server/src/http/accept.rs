//! Accepting: TCP connections become HTTP connections, one task each, until the end.
//!
//! Owns: the accept loop, the socket options, the TLS handshake, the bound on connections of one address.
//! Never: reads a body or routes; the router does. Never lets a key through to it.
//! Flow: `app::run` drives the loop; an upgraded connection leaves here and lives on as a `ws` task.

use super::credential;
use super::guard::{Bounds, Guard};
use super::refusal::ConnectionError;
use super::tls::{self, TlsError};
use super::transport::Transport;
use super::turn::{Answered, Turns};
use super::visits::{Visit, Visits};
use crate::options::{ServeOptions, UNSENT_BYTES_MAX};
use crate::tasks::{TaskKind, Tasks};
use axum::Router;
use futures_util::TryFutureExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::Service;

/// How long to wait after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The smallest buffer that the HTTP layer works with, in bytes.
const HTTP_BUFFER_BYTES_MIN: usize = 8192;

/// What every connection of a server is held to.
pub(crate) struct Gate {
    bounds: Bounds,
    connections_max: usize,
    visits: Arc<Visits>,
    tls: Option<TlsAcceptor>,
}

/// What every connection needs; each shares it.
struct Hall {
    gate: Gate,
    router: Router,
    tasks: Tasks,
}

impl Gate {
    /// # Errors
    /// The files of the server's TLS identity are wrong.
    pub(crate) fn new(options: &ServeOptions) -> Result<Self, TlsError> {
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let connections_max = options.limits.connections_per_address;
        Ok(Self { bounds: Bounds::from(options), connections_max, visits: Arc::default(), tls })
    }
}

/// Accepts connections until the end.
pub(crate) async fn connections(listener: TcpListener, router: Router, tasks: &Tasks, gate: Gate) {
    let ending = tasks.ending().clone();
    let mut ended = pin!(ending.cancelled());
    let hall = Arc::new(Hall { gate, router, tasks: tasks.clone() });
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut ended => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(visit) = hall.gate.visits.enter(peer.ip(), hall.gate.connections_max) else {
                    tracing::debug!(%peer, "refused a connection: its address has too many");
                    turn_away(&stream, hall.gate.tls.is_some());
                    continue;
                };
                if let Err(error) = configure(&stream) {
                    tracing::debug!(%peer, %error, "a connection is gone before it began");
                    continue;
                }
                tasks.spawn(TaskKind::Connection, connection(stream, visit, Arc::clone(&hall)));
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Tells a client that its address has too many connections, without waiting for it.
fn turn_away(stream: &TcpStream, is_tls: bool) {
    if is_tls {
        // An answer would take a handshake.
        return;
    }
    // What has come of its request is taken, since closing over it would take the answer away.
    let mut bin = [0; 4096];
    drop(stream.try_read(&mut bin));
    drop(stream.try_write(&ConnectionError::TooManyConnections.bytes()));
}

/// Tokens leave at once, and a slow reader is felt early.
fn configure(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    Ok(())
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection, after its handshake if there is TLS.
async fn connection(stream: TcpStream, visit: Visit, hall: Arc<Hall>) {
    let Some(acceptor) = &hall.gate.tls else {
        return requests(Transport::plain(stream, visit), &hall).await;
    };
    // On the heap: without TLS nobody should pay for its room.
    let limit = hall.gate.bounds.header_timeout;
    match Box::pin(timeout(limit, acceptor.accept(stream))).await {
        Ok(Ok(stream)) => Box::pin(requests(Transport::tls(stream, visit), &hall)).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Answers the requests of one connection; those that have begun are answered even after the end.
async fn requests(stream: Transport, hall: &Hall) {
    let turns = Turns::default();
    let stream = Guard::new(stream, hall.gate.bounds, turns.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        credential::take(&mut request);
        let turn = turns.answer();
        let answer = hall.router.clone().call(request);
        answer.map_ok(|answer| answer.map(|body| Answered::new(body, turn)))
    });
    let header_bytes = hall.gate.bounds.header_bytes;
    // No timer: the guard has its own, and tells a client that sends too slowly from one that is idle.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(header_bytes)
        .max_buf_size(header_bytes.max(HTTP_BUFFER_BYTES_MIN))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = hall.tasks.ending().cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
