//! A TCP proxy that is the bad network: it delays, cuts, stalls and half-opens connections when it is told to.
//!
//! Owns: a listener on a free port, and every connection through it.
//! Never: changes, drops or reorders a byte of a connection that it does not cut.
//! Flow: `carry` copies both ways; a new `Weather` slows or stalls it, an `Order` ends the connections that are there.

use super::error::ChaosError;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const BUFFER_BYTES: usize = 16 * 1024;

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Weather {
    /// How long each piece waits.
    pub(crate) delay: Duration,
    /// Nothing goes to the server.
    pub(crate) is_up_held: bool,
    /// Nothing comes from the server.
    pub(crate) is_down_held: bool,
}

/// What becomes of the connections that are there when it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Both ends see a reset.
    Cut,
    /// The client sees a reset; the server sees nothing for so long, then a reset.
    HalfOpen(Duration),
}

/// A proxy that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    weather: watch::Sender<Weather>,
    orders: watch::Sender<(u64, Order)>,
    _tasks: JoinSet<()>,
}

/// What a connection listens to.
#[derive(Clone)]
struct Controls {
    weather: watch::Receiver<Weather>,
    orders: watch::Receiver<(u64, Order)>,
}

impl Proxy {
    /// A proxy before `target`; without one it resets whoever comes.
    pub(crate) async fn start(target: Option<SocketAddr>) -> Result<Self, ChaosError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(ChaosError::io("listen as a proxy"))?;
        let address = listener.local_addr().map_err(ChaosError::io("listen as a proxy"))?;
        let (target, targets) = watch::channel(target);
        let (weather, heard) = watch::channel(Weather::default());
        let (orders, ordered) = watch::channel((0, Order::Cut));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, targets, Controls { weather: heard, orders: ordered }));
        Ok(Self { address, target, weather, orders, _tasks: tasks })
    }

    /// Leads new connections to another place.
    pub(crate) fn lead_to(&self, target: Option<SocketAddr>) {
        self.target.send_replace(target);
    }

    /// Resets both ends of every connection.
    pub(crate) fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Resets the client's end of every connection; the server learns of it after `hold`.
    pub(crate) fn half_open(&self, hold: Duration) {
        self.order(Order::HalfOpen(hold));
    }

    /// From now on bytes travel like this. Bytes that were held go on.
    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    fn order(&self, order: Order) {
        self.orders.send_modify(|(number, last)| {
            *number += 1;
            *last = order;
        });
    }
}

async fn accept(listener: TcpListener, targets: watch::Receiver<Option<SocketAddr>>, mut controls: Controls) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    let target = *targets.borrow();
                    // Orders of before are not for this connection.
                    controls.orders.borrow_and_update();
                    connections.spawn(carry(client, target, controls.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until both ends have closed, one has failed, or an order ends it.
async fn carry(mut client: TcpStream, target: Option<SocketAddr>, mut controls: Controls) {
    let connected = match target {
        Some(target) => TcpStream::connect(target).await.ok(),
        None => None,
    };
    let Some(mut server) = connected else { return reset(client) };
    // A proxy that gathers bytes would hide what it is here to show.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let Controls { weather, orders } = &mut controls;
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pump(from_client, to_server, weather.clone(), |weather| weather.is_up_held);
        let down = pump(from_server, to_client, weather.clone(), |weather| weather.is_down_held);
        tokio::select! {
            both = async { tokio::try_join!(up, down) } => both.map(drop).map_err(|_| Order::Cut),
            _ = orders.changed() => Err(orders.borrow().1),
        }
    };
    if let Err(order) = ended {
        reset(client);
        if let Order::HalfOpen(hold) = order {
            tokio::time::sleep(hold).await;
        }
        reset(server);
    }
}

fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// Copies one way, as the weather allows, until its end is read and passed on.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut weather: watch::Receiver<Weather>,
    is_held: impl Fn(&Weather) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        let delay = match weather.wait_for(|weather| !is_held(weather)).await {
            Ok(weather) => weather.delay,
            Err(_) => return Err(io::ErrorKind::ConnectionReset.into()),
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}

#[cfg(test)]
mod tests;
