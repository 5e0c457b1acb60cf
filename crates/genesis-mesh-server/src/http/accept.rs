//! Accepting: TCP connections become HTTP connections, one task each, until the end.
//!
//! Owns: the accept loop, the socket options, the header bounds.
//! Never: reads a body or routes; the router does. Never lets a key through to it.
//! Flow: `app::run` drives the loop; an upgraded connection leaves here and lives on as a `ws` task.

use super::credential;
use super::transport::Transport;
use crate::options::{Limits, UNSENT_BYTES_MAX};
use crate::tasks::{TaskKind, Tasks};
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tower::Service;

/// How long to wait after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the end.
pub(crate) async fn connections(listener: TcpListener, router: Router, tasks: &Tasks, limits: &Limits) {
    let ending = tasks.ending().clone();
    let mut ended = pin!(ending.cancelled());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut ended => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Err(error) = configure(&stream) {
                    tracing::debug!(%peer, %error, "a connection is gone before it began");
                    continue;
                }
                let stream = Transport::Plain(stream);
                tasks.spawn(
                    TaskKind::Connection,
                    connection(stream, router.clone(), tasks.clone(), limits.clone()),
                );
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
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

/// Serves one connection; requests that have begun are answered even after the end.
async fn connection(stream: Transport, router: Router, tasks: Tasks, limits: Limits) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        credential::take(&mut request);
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = tasks.ending().cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
