//! Chaos: the replicas of a world, what befalls them, and their healing.

use crate::agents::agents;
use crate::client;
use crate::draws::Draws;
use crate::faulty::{Fate, Fault, FaultyStore, Mistake};
use crate::world::World;
use genesis_mesh::bus::Bus;
use genesis_mesh::graph::Ambient;
use genesis_mesh::{BusSource, LossyBus, LossyOptions, RunnerOptions};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const CLIENTS: usize = 12;
const LEASE: Duration = Duration::from_secs(5);
/// How often the chaos strikes before the world is healed.
const STRIKES: usize = 14;
/// So long a call hangs that does.
const HANGS: Duration = Duration::from_secs(8);
/// So long all must have come to its end after the healing.
const HEALED_MAX: Duration = Duration::from_secs(600);

/// A replica: what is left of it when its process is gone is its number.
struct Replica {
    number: usize,
    lives: usize,
    store: Option<Arc<FaultyStore>>,
    work: JoinSet<()>,
    frozen_until: Arc<Mutex<Instant>>,
}

/// The replicas and the clients of a world.
pub(crate) struct Chaos {
    world: World,
    replicas: Vec<Replica>,
    clients: JoinSet<()>,
    mistake: Option<Mistake>,
    bus: Arc<dyn Bus>,
    /// How often calls of a store go wrong, of a thousand.
    faults: u64,
}

impl Chaos {
    pub(crate) async fn begin(world: &World, mistake: Option<Mistake>) -> Self {
        let (count, bus, faults) = {
            let mut draws = world.draws();
            let local = Arc::clone(&world.bus) as Arc<dyn Bus>;
            let bus: Arc<dyn Bus> = match draws.below(3) {
                0 => local,
                1 => Arc::new(LossyBus::new(local, draws.draw())),
                _ => Arc::new(LossyBus::with(local, draws.draw(), LossyOptions::deaf())),
            };
            (2 + draws.below(2), bus, [0, 20, 100, 250][draws.below(4)])
        };
        world.say(|| format!("{count} replicas, {bus:?}, {faults} of 1000 calls go wrong"));
        let replicas = (0..count).map(|number| Replica {
            number,
            lives: 0,
            store: None,
            work: JoinSet::new(),
            frozen_until: Arc::new(Mutex::new(world_begin(world))),
        });
        let replicas = replicas.collect();
        world.meshes.lock().unwrap().resize(count, None);
        let (world, clients) = (world.clone(), JoinSet::new());
        let mut chaos = Self { world, replicas, clients, mistake, bus, faults };
        for number in 0..count {
            chaos.start(number).await;
        }
        for number in 0..CLIENTS {
            let draws = chaos.world.draws().fork();
            chaos.clients.spawn(client::live(chaos.world.clone(), number, draws));
        }
        chaos
    }

    /// Lets it all happen, heals the world, and waits until all clients have seen the ends of their runs.
    pub(crate) async fn run(&mut self) -> Result<(), String> {
        for _ in 0..STRIKES {
            let (wait, what, number) = {
                let mut draws = self.world.draws();
                (draws.millis(100, 4_000), draws.below(10), draws.below(self.replicas.len()))
            };
            sleep(wait).await;
            match what {
                0..=4 if self.replicas[number].store.is_some() => self.kill(number).await,
                0..=4 => self.start(number).await,
                5..=7 => self.freeze(number),
                _ => {}
            }
        }
        self.heal().await;
        let all = async { while self.clients.join_next().await.is_some() {} };
        if timeout(HEALED_MAX, all).await.is_err() {
            return Err(format!("{} clients wait for ever", self.clients.len()));
        }
        // What is left to do by itself, as a run whose acceptance no client was told.
        sleep(4 * LEASE).await;
        for number in 0..self.replicas.len() {
            self.kill(number).await;
        }
        Ok(())
    }

    async fn start(&mut self, number: usize) {
        let mut options = RunnerOptions::default();
        options.owner = format!("replica {number}");
        (options.lease, options.poll) = (LEASE, Duration::from_millis(400));
        options.attempts_max = 1_000;
        options.ambient = Arc::clone(&self.world.clock) as Arc<dyn Ambient>;
        let replica = &mut self.replicas[number];
        replica.lives += 1;
        let draws = Mutex::new(self.world.draws().fork());
        let (faults, frozen) = (self.faults, Arc::clone(&replica.frozen_until));
        let store = FaultyStore::with(&self.world.store, move |_, _| {
            fate(&mut draws.lock().unwrap(), faults, &frozen)
        });
        if let Some(mistake) = self.mistake {
            store.err(mistake);
        }
        let bus = BusSource::from(Arc::clone(&self.bus));
        let mesh = agents(&self.world.effects).store(Arc::clone(&store)).bus(bus).runner(options);
        let mesh = mesh.setup().await.expect("the mesh is right");
        let working = mesh.clone();
        replica.work.spawn(async move {
            let worked = working.work(std::future::pending(), std::future::pending()).await;
            worked.expect("a mesh works once");
        });
        replica.store = Some(store);
        self.world.meshes.lock().unwrap()[number] = Some(mesh);
        self.world.say(|| format!("replica {} begins its life {}", replica.number, replica.lives));
    }

    async fn kill(&mut self, number: usize) {
        let replica = &mut self.replicas[number];
        self.world.say(|| format!("replica {number} is killed"));
        self.world.meshes.lock().unwrap()[number] = None;
        replica.work.shutdown().await;
        replica.store = None;
    }

    /// The store answers a replica no more, for longer than its lease or not.
    fn freeze(&mut self, number: usize) {
        let time = self.world.draws().millis(500, 12_000);
        self.world.say(|| format!("replica {number} is frozen for {} ms", time.as_millis()));
        *self.replicas[number].frozen_until.lock().unwrap() = sleep(time).deadline();
    }

    async fn heal(&mut self) {
        self.world.say(|| "all is healed".to_owned());
        self.faults = 0;
        for number in 0..self.replicas.len() {
            *self.replicas[number].frozen_until.lock().unwrap() = world_begin(&self.world);
            match &self.replicas[number].store {
                Some(store) => store.decide_by(|_, _| Fault::None),
                None => self.start(number).await,
            }
        }
    }
}

fn world_begin(_: &World) -> Instant {
    sleep(Duration::ZERO).deadline()
}

/// What becomes of the next call of a replica.
fn fate(draws: &mut Draws, faults: u64, frozen_until: &Mutex<Instant>) -> Fate {
    let now = sleep(Duration::ZERO).deadline();
    let frozen = frozen_until.lock().unwrap().saturating_duration_since(now);
    let fault = match draws.chance(faults) {
        false => Fault::None,
        true if draws.chance(500) => Fault::Before,
        true => Fault::After,
    };
    // A call that hangs is given up by the driver of the database, which does not know what came of it.
    let hangs = fault != Fault::None && draws.chance(100);
    let mut short = || if draws.chance(300) { draws.millis(1, 40) } else { Duration::ZERO };
    let (before, after) = (short(), short());
    let hanging = if hangs { HANGS } else { Duration::ZERO };
    Fate { fault, wait_before: before + frozen, wait_after: after + hanging }
}
