//! Faults: which there are, how often each comes, and how it is done.
//!
//! Owns: the two plagues, of processes and of the network, and their tallies.
//! Never: leaves a fault behind: what is stopped goes on, what is down comes up again.
//! Flow: each plague draws a fault, begins it, and draws the next one while the first may still last.

use super::dice::Dice;
use super::proxy::{Proxy, Weather};
use super::replica::Replica;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use genesis_mesh_store::testing::{NatsServer, PostgresCluster, ServiceError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

/// What can be hurt.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) replicas: Vec<Arc<Replica>>,
    pub(crate) database: Option<PostgresCluster>,
    pub(crate) bus: Option<NatsServer>,
    /// How long a run is a replica's without a sign of life.
    pub(crate) lease: Duration,
    /// Faults that show what fencing is for, more often than others.
    pub(crate) freezes_more: bool,
    /// Held while the database is down.
    pub(crate) repair: Mutex<()>,
}

/// A fault of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    /// For longer than a lease.
    Freeze,
    End,
    KillDatabase,
    KillBus,
}

/// How often each fault came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(pub(crate) BTreeMap<&'static str, usize>);

impl Tally {
    fn count(&mut self, name: impl Into<Option<&'static str>>) {
        if let Some(name) = name.into() {
            *self.0.entry(name).or_default() += 1;
        }
    }

    pub(crate) fn sum(&self) -> usize {
        self.0.values().sum()
    }
}

impl World {
    /// Faults of processes until `end`, and until all is up again.
    ///
    /// # Errors
    /// A service does not come up again.
    pub(crate) async fn kills(&self, mut dice: Dice, end: Instant) -> Result<Tally, ServiceError> {
        let mut tally = Tally::default();
        let mut going_on = FuturesUnordered::new();
        let mut next = Instant::now() + dice.time(400, 600);
        while next < end {
            tokio::select! {
                () = sleep_until(next) => {
                    let fault = self.draw(&mut dice);
                    let (replica, time) = (dice.pick(&self.replicas), self.time(fault, &mut dice));
                    going_on.push(self.inflict(fault, replica, time));
                    next = Instant::now() + dice.time(400, 600);
                }
                Some(done) = going_on.next() => tally.count(done?),
            }
        }
        while let Some(done) = going_on.next().await {
            tally.count(done?);
        }
        Ok(tally)
    }

    fn draw(&self, dice: &mut Dice) -> Fault {
        let odds: [(Fault, u64); 5] = [
            (Fault::Kill, 12),
            (Fault::Freeze, if self.freezes_more { 24 } else { 6 }),
            (Fault::End, 2),
            (Fault::KillDatabase, if self.database.is_some() { 2 } else { 0 }),
            (Fault::KillBus, if self.bus.is_some() { 2 } else { 0 }),
        ];
        let mut draw = dice.below(odds.iter().map(|(_, weight)| weight).sum());
        for (fault, weight) in odds {
            match draw.checked_sub(weight) {
                None => return fault,
                Some(rest) => draw = rest,
            }
        }
        Fault::Kill
    }

    fn time(&self, fault: Fault, dice: &mut Dice) -> Duration {
        let lease_ms = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
        match fault {
            Fault::Freeze => dice.time(lease_ms + lease_ms / 5, lease_ms * 5 / 2),
            Fault::KillDatabase | Fault::KillBus => dice.time(0, 800),
            Fault::Kill | Fault::End => Duration::ZERO,
        }
    }

    /// Gives the fault's name when it is over, if it hit something.
    async fn inflict(
        &self,
        fault: Fault,
        replica: Option<&Arc<Replica>>,
        time: Duration,
    ) -> Result<Option<&'static str>, ServiceError> {
        let has_hit = match (fault, replica, &self.database, &self.bus) {
            (Fault::Kill, Some(replica), ..) => replica.kill(),
            (Fault::Freeze, Some(replica), ..) => replica.freeze(time).await,
            (Fault::End, Some(replica), ..) => replica.end(),
            (Fault::KillDatabase, Some(replica), Some(database), _) => {
                // One that is not up yet has been killed already.
                let Ok(_alone) = self.repair.try_lock() else { return Ok(replica.kill().then_some("kill")) };
                database.kill().await;
                sleep(time).await;
                database.start_again().await?;
                true
            }
            (Fault::KillBus, _, _, Some(bus)) => {
                bus.kill().await;
                sleep(time).await;
                bus.start_again().await?;
                true
            }
            _ => false,
        };
        Ok(has_hit.then(|| fault.name()))
    }

    /// Faults of the network until `end`, and until it is good again.
    pub(crate) async fn storms(&self, mut dice: Dice, end: Instant) -> Tally {
        let proxies: Vec<&Proxy> = self
            .replicas
            .iter()
            .flat_map(|replica| std::iter::once(&replica.front).chain(&replica.back))
            .collect();
        let mut tally = Tally::default();
        let mut going_on = FuturesUnordered::new();
        let mut next = Instant::now() + dice.time(300, 900);
        while next < end {
            tokio::select! {
                () = sleep_until(next) => {
                    if let Some(proxy) = dice.pick(&proxies) {
                        let (name, time) = storm(proxy, &mut dice);
                        tally.count(name);
                        going_on.push(async move {
                            sleep(time).await;
                            proxy.set(Weather::default());
                        });
                    }
                    next = Instant::now() + dice.time(300, 900);
                }
                Some(()) = going_on.next() => {}
            }
        }
        while let Some(()) = going_on.next().await {}
        proxies.iter().for_each(|proxy| proxy.set(Weather::default()));
        tally
    }
}

/// Begins a fault of the network; gives its name and how long its weather lasts.
fn storm(proxy: &Proxy, dice: &mut Dice) -> (&'static str, Duration) {
    let time = dice.time(100, 2_000);
    match dice.below(5) {
        0 | 1 => {
            proxy.cut();
            ("cut", Duration::ZERO)
        }
        2 => {
            proxy.half_open(time);
            ("half-open", Duration::ZERO)
        }
        3 => {
            let is_up_held = dice.one_in(2);
            proxy.set(Weather { is_up_held, is_down_held: !is_up_held, ..Weather::default() });
            ("stall", time)
        }
        _ => {
            proxy.set(Weather { delay: dice.time(1, 40), ..Weather::default() });
            ("slow", time)
        }
    }
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::End => "term",
            Self::KillDatabase => "database",
            Self::KillBus => "bus",
        }
    }
}
