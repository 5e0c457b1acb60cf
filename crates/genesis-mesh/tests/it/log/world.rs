//! What the tests of the log stand on: meshes that share a store, on a clock that runs only while all wait.

use super::faulty::FaultyStore;
use genesis_mesh::graph::Ambient;
use genesis_mesh::log::{EventClass, LogEvent, Run, RunStore, Seq};
use genesis_mesh::{
    Ask, BusSource, FinishReason, GenesisMesh, LocalBus, MemoryStore, Mesh, RunId, RunnerOptions,
    ScriptedModel, Submission, Update,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Longer than anything here may last.
const LONG: Duration = Duration::from_secs(3_600);

/// Longer than anything that is not slow on purpose lasts.
pub(crate) const LONG_ENOUGH: Duration = Duration::from_secs(5);

/// Seven words, one each 100 ms.
pub(crate) const STORY: &str = "Once upon a time there was one";
pub(crate) const SLOW: &str = "[[rule]]\ntext = \"Once upon a time there was one\"\ndelay_ms = 100";
pub(crate) const SLOW_FORGETS: &str =
    "goes_on = false\n[[rule]]\ntext = \"Once upon a time there was one\"\ndelay_ms = 100";

/// The clock that tokio's tests stop and set.
#[derive(Debug)]
pub(crate) struct TestClock {
    begin: Instant,
    draws: AtomicU64,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        let begin = tokio::time::sleep(Duration::ZERO).deadline();
        Arc::new(Self { begin, draws: AtomicU64::new(1) })
    }
}

impl Ambient for TestClock {
    fn now_ms(&self) -> i64 {
        1_800_000_000_000 + i64::try_from(self.begin.elapsed().as_millis()).unwrap()
    }

    fn random(&self) -> u64 {
        self.draws.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst)
    }
}

/// A store, a bus and a clock for all meshes of a test.
pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) bus: BusSource,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(LocalBus::new()))
    }

    pub(crate) fn on(bus: impl Into<BusSource>) -> Self {
        let clock = TestClock::new();
        let time = Arc::clone(&clock);
        let store = Arc::new(MemoryStore::with_clock(Arc::new(move || time.now_ms())));
        Self { clock, store, bus: bus.into() }
    }

    pub(crate) fn options(&self) -> RunnerOptions {
        let mut options = RunnerOptions::default();
        options.ambient = Arc::clone(&self.clock) as Arc<dyn Ambient>;
        options
    }

    /// A mesh over the store itself, which goes on at once with what an earlier one has left.
    pub(crate) async fn mesh(&self, agents: GenesisMesh) -> Mesh {
        let mut options = self.options();
        options.is_alone = true;
        self.mesh_with(agents, &self.store, options).await
    }

    /// A mesh that sees the store through faults, and waits for leases.
    pub(crate) async fn mesh_over(&self, agents: GenesisMesh, store: &Arc<FaultyStore>) -> Mesh {
        self.mesh_with(agents, store, self.options()).await
    }

    pub(crate) async fn mesh_with<S: RunStore + 'static>(
        &self,
        agents: GenesisMesh,
        store: &Arc<S>,
        options: RunnerOptions,
    ) -> Mesh {
        let agents = agents.store(Arc::clone(store)).bus(self.bus.clone()).runner(options);
        agents.setup().await.expect("the mesh is right")
    }
}

/// A mesh with the model `tale` that plays a script.
pub(crate) fn tale(script: &str) -> GenesisMesh {
    GenesisMesh::new().model("tale", ScriptedModel::from_toml(script).expect("a script"))
}

pub(crate) fn prompt() -> Ask {
    serde_json::json!({"prompt": "Tell me."}).into()
}

/// The work of a mesh, which ends with this.
pub(crate) struct Working {
    pub(crate) mesh: Mesh,
    work: JoinSet<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Working {
    pub(crate) async fn on(mesh: Mesh) -> Self {
        Self::drained_after(mesh, LONG).await
    }

    /// Runs may end for so long once it is stopped.
    pub(crate) async fn drained_after(mesh: Mesh, drain: Duration) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let mut work = JoinSet::new();
        let working = mesh.clone();
        work.spawn(async move {
            let (began, begins) = oneshot::channel::<()>();
            let stopped = async move {
                let is_stopped = stopped.await.is_ok();
                if !is_stopped {
                    std::future::pending::<()>().await;
                }
                drop(began);
            };
            let drained = async move {
                drop(begins.await);
                tokio::time::sleep(drain).await;
            };
            working.work(stopped, drained).await.expect("a mesh works once");
        });
        // It has begun before anything is submitted.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Self { mesh, work, stop: Some(stop) }
    }

    /// Ends the process, so to speak.
    pub(crate) async fn kill(mut self) {
        self.work.shutdown().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.take().expect("not stopped yet").send(()).expect("it works");
        self.work.join_next().await.expect("it works").expect("it does not panic");
    }

    pub(crate) async fn submit(&self, submission: Submission) -> RunId {
        self.mesh.submit(submission).await.expect("the run is accepted").run.id
    }

    /// All events of a run to its end, as they are told.
    pub(crate) async fn log(&self, run: RunId) -> Vec<LogEvent> {
        let log = follow(&self.mesh, run, 0).await;
        check(&log);
        log
    }

    pub(crate) async fn row(&self, run: RunId) -> Run {
        self.mesh.get(run).await.expect("the store is there").expect("the run is there")
    }

    /// Waits until the log has come to `seq`.
    pub(crate) async fn reached(&self, run: RunId, seq: Seq) {
        let mut reader = self.mesh.follow(run, 0).await.expect("the run is there");
        for _ in 0..seq {
            within(reader.next()).await.expect("goes on").expect("well");
        }
    }
}

pub(crate) async fn within<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(LONG, work).await.expect("it comes to an end")
}

/// The events after a cursor to the end of the log.
pub(crate) async fn follow(mesh: &Mesh, run: RunId, after: Seq) -> Vec<LogEvent> {
    let mut reader = mesh.follow(run, after).await.expect("the run is there");
    let mut events = Vec::new();
    while let Some(event) = within(reader.next()).await {
        events.push(LogEvent { memo: None, ..event.expect("the log can be read") });
    }
    events
}

/// What holds of every log that has come to its end.
pub(crate) fn check(log: &[LogEvent]) {
    for (event, seq) in log.iter().zip(1..) {
        assert_eq!(event.seq, seq, "numbers are contiguous");
        assert_eq!(event.class == EventClass::End, seq == log.len() as u64, "one end, at the end: {log:#?}");
    }
    let first = log.first().expect("a log is never empty");
    assert!(matches!(update(first), Update::Run { .. }), "{first:?}");
}

pub(crate) fn update(event: &LogEvent) -> Update {
    serde_json::from_str(&event.data).unwrap_or_else(|error| panic!("{error}: {}", event.data))
}

/// The types of all events.
pub(crate) fn kinds(log: &[LogEvent]) -> Vec<String> {
    let kind = |event: &LogEvent| {
        let json: serde_json::Value = serde_json::from_str(&event.data).unwrap();
        json["type"].as_str().unwrap().to_owned()
    };
    log.iter().map(kind).collect()
}

pub(crate) fn count(log: &[LogEvent], kind: &str) -> usize {
    kinds(log).iter().filter(|found| *found == kind).count()
}

/// The answer's text that stands, as a client makes it of a log.
pub(crate) fn text(log: &[LogEvent]) -> String {
    let mut text = String::new();
    for event in log {
        match serde_json::from_str(&event.data) {
            Ok(Update::Delta { text: piece, message: None, .. }) => text.push_str(&piece),
            Ok(Update::Reset { message: None, .. }) => text.clear(),
            _ => {}
        }
    }
    text
}

/// The messages that stand, by their ids.
pub(crate) fn messages(log: &[LogEvent]) -> HashMap<String, String> {
    let mut messages = HashMap::<String, String>::new();
    for event in log {
        match serde_json::from_str(&event.data) {
            Ok(Update::Delta { text, message: Some(message), .. }) => {
                messages.entry(message).or_default().push_str(&text);
            }
            Ok(Update::Reset { message: Some(message), .. }) => drop(messages.remove(&message)),
            _ => {}
        }
    }
    messages
}

/// How a log ends: the reason, and the tokens made.
pub(crate) fn done(log: &[LogEvent]) -> (FinishReason, u64) {
    match update(log.last().expect("a log is never empty")) {
        Update::Done { usage, finish_reason } => (finish_reason, usage.output_tokens),
        other => panic!("{other:?} is no end"),
    }
}

/// The code of the error that a log ends with.
pub(crate) fn error(log: &[LogEvent]) -> String {
    let json: serde_json::Value = serde_json::from_str(&log.last().unwrap().data).unwrap();
    json["error"]["code"].as_str().unwrap_or_else(|| panic!("{json} is no error")).to_owned()
}
