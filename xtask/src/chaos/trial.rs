//! A trial: one seed, from the start of all services to the evidence.
//!
//! Owns: the order in which everything begins and ends.
//! Never: judges.
//! Flow: services, replicas, clients; faults while there is time; then good weather until every run has ended.

use super::book::Book;
use super::client::Client;
use super::collect;
use super::dice::Dice;
use super::error::ChaosError;
use super::evidence::Evidence;
use super::faults::{Tally, World};
use super::proxy::Proxy;
use super::recorder::Recorder;
use super::replica::{Launch, Replica};
use super::work;
use genesis_mesh_store::testing::{NatsServer, PostgresCluster};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// So long after the last fault every run must have ended.
const PATIENCE: Duration = Duration::from_secs(90);

/// The actors that draw; clients come after them.
const KILLER: u64 = 1;
const NETWORK: u64 = 2;
const FIRST_CLIENT: u64 = 100;

/// What is tried.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) is_postgres: bool,
    pub(crate) bus: String,
    pub(crate) seed: u64,
    pub(crate) time: Duration,
    pub(crate) clients: u64,
    pub(crate) lease: Duration,
    pub(crate) has_fencing: bool,
    pub(crate) program: PathBuf,
    /// Where logs and data go.
    pub(crate) folder: PathBuf,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) evidence: Evidence,
    pub(crate) kills: Tally,
    pub(crate) storms: Tally,
    pub(crate) starts: u32,
    /// From the last fault until every run had ended.
    pub(crate) settling: Duration,
}

/// Tries.
pub(crate) async fn run(plan: &Plan) -> Result<Outcome, ChaosError> {
    std::fs::create_dir_all(&plan.folder).map_err(ChaosError::io("make the folder of a seed"))?;
    let story = work::story().map_err(|error| ChaosError::Text(error.to_string()))?;
    let recorder = Recorder::start().await?;
    let mut tasks = JoinSet::new();
    let world = world(plan, &recorder, &mut tasks).await?;
    for replica in &world.replicas {
        let number = replica.number;
        let log = || plan.folder.join(format!("replica-{number}-1.log")).display().to_string();
        replica.address().await.ok_or_else(|| ChaosError::Start { replica: number, log: log() })?;
    }
    let (book, (over, is_over)) = (Book::default(), watch::channel(false));
    let doors: Arc<[SocketAddr]> = world.replicas.iter().map(|replica| replica.front.address).collect();
    let mut clients = JoinSet::new();
    for number in 0..plan.clients {
        let dice = Dice::new(plan.seed, FIRST_CLIENT + number);
        let (book, doors, is_over) = (book.clone(), Arc::clone(&doors), is_over.clone());
        clients.spawn(Client { number, seed: plan.seed, dice, book, doors, is_over }.live());
    }
    let end = Instant::now() + plan.time;
    let (kills, storms) = tokio::join!(
        world.kills(Dice::new(plan.seed, KILLER), end),
        world.storms(Dice::new(plan.seed, NETWORK), end)
    );
    let calm = Instant::now();
    over.send_replace(true);
    let deadline = calm + PATIENCE;
    // Those that do not end leave their pages.
    let _ = timeout_at(deadline, async { while clients.join_next().await.is_some() {} }).await;
    let starts = world.replicas.iter().map(|replica| replica.starts()).sum();
    let logs = collect::logs(somewhere(&world).await?, deadline).await?;
    let settling = calm.elapsed();
    let crashes = world.replicas.iter().flat_map(|replica| replica.crashes()).collect();
    let evidence = Evidence { transcripts: book.all(), logs, effects: recorder.effects(), story, crashes };
    Ok(Outcome { evidence, kills: kills?, storms, starts, settling })
}

/// The address of a replica.
async fn somewhere(world: &World) -> Result<SocketAddr, ChaosError> {
    let nowhere = || ChaosError::Text("no replica listens after the faults".to_owned());
    match world.replicas.first() {
        Some(replica) => replica.address().await.ok_or_else(nowhere),
        None => Err(nowhere()),
    }
}

/// Starts services and replicas.
async fn world(plan: &Plan, recorder: &Recorder, tasks: &mut JoinSet<()>) -> Result<World, ChaosError> {
    let database = if plan.is_postgres { Some(PostgresCluster::start().await?) } else { None };
    let has_nats = plan.is_postgres && plan.bus == "nats";
    let bus = if has_nats { Some(NatsServer::start().await?) } else { None };
    let mut replicas = Vec::new();
    for number in 0..if plan.is_postgres { 3 } else { 1 } {
        let (mut back, mut arguments) = (Vec::new(), Vec::new());
        let mut flag = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        match &database {
            Some(database) => flag("store", through(&database.url(), &mut back).await?),
            None => flag("store", "sqlite".to_owned()),
        }
        match &bus {
            Some(bus) => flag("bus", through(&bus.url(), &mut back).await?),
            None if plan.is_postgres => flag("bus", plan.bus.clone()),
            None => {}
        }
        flag("host", "127.0.0.1".to_owned());
        flag("port", "0".to_owned());
        flag("data-dir", plan.folder.join("data").display().to_string());
        flag("lease-ms", plan.lease.as_millis().to_string());
        flag("recorder", recorder.address.to_string());
        if !plan.has_fencing {
            arguments.push("--no-fencing".to_owned());
        }
        let replica = Replica::new(number, back).await?;
        let (program, folder) = (plan.program.clone(), plan.folder.clone());
        tasks.spawn(Arc::clone(&replica).supervise(Launch { program, arguments, folder }));
        replicas.push(replica);
    }
    let (lease, freezes_more, repair) = (plan.lease, !plan.has_fencing, Mutex::new(()));
    Ok(World { replicas, database, bus, lease, freezes_more, repair })
}

/// The same service through a proxy of one's own.
async fn through(url: &str, proxies: &mut Vec<Proxy>) -> Result<String, ChaosError> {
    let address = host_of(url).ok_or_else(|| ChaosError::Text(format!("{url} names no address")))?;
    let proxy = Proxy::start(address.parse().ok()).await?;
    let url = url.replace(address, &proxy.address.to_string());
    proxies.push(proxy);
    Ok(url)
}

/// `HOST:PORT` of a URL.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn the_address_of_a_service_is_found_in_its_url() {
        assert_eq!(host_of("postgres://user:p@127.0.0.1:5432/name"), Some("127.0.0.1:5432"));
        assert_eq!(host_of("nats://127.0.0.1:4222"), Some("127.0.0.1:4222"));
    }
}
