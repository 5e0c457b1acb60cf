//! What a run of a graph has around it: its thread, its watchers, the caller's settings, the clock.
//!
//! Owns: `Env`, shared by all graphs and tasks of one run, and the ids that follow from the clock.
//! Never: changes while the run goes on, but for the one answer that the first asker takes.

use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::items::Items;
use genesis_mesh_core::run::{CheckpointId, InterruptId};
use genesis_mesh_core::store::{Appended, Entry, Store, StoreError, ThreadKey};
use genesis_mesh_core::stream::{Event, StreamMode, StreamModes};
use serde_json::{Map, Value};
use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// When a step is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before the next step begins.
    #[default]
    Sync,
    /// While the next steps run. What is told of a step is told when it is kept; a crash may make more nodes run again than
    /// `Sync` does, in a run that is logged the last few dozen steps. Calls with an effect wait until all before them is kept.
    Async,
    /// When the run ends, stops or asks: one checkpoint for the whole run.
    Exit,
}

/// What tells the time and draws numbers; a test gives its own.
pub trait Ambient: Send + Sync + fmt::Debug {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// A number that nobody can foresee.
    fn random(&self) -> u64;
}

/// The clock and the random source of the operating system.
#[derive(Debug, Default)]
pub struct SystemAmbient;

impl Ambient for SystemAmbient {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn random(&self) -> u64 {
        // Each `RandomState` has keys of its own.
        use std::hash::BuildHasher;
        std::collections::hash_map::RandomState::new().hash_one(0)
    }
}

/// One run's surroundings.
pub(crate) struct Env {
    /// The thread, with the store that keeps it.
    pub(crate) thread: Option<Thread>,
    /// The run's name, if the caller gave one, and the number that names it else.
    pub(crate) run_name: Option<String>,
    pub(crate) run_number: u128,
    pub(crate) items: Option<Arc<dyn Items>>,
    pub(crate) context: Option<Arc<dyn Any + Send + Sync>>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) durability: Durability,
    pub(crate) recursion_limit: u32,
    pub(crate) watch: Option<Watch>,
    pub(crate) answers: BTreeMap<InterruptId, Value>,
    /// The answer to the one open question; whoever asks first takes it.
    pub(crate) answer: Arc<Mutex<Option<Value>>>,
    pub(crate) is_draining: Arc<AtomicBool>,
    pub(crate) ambient: Arc<dyn Ambient>,
}

/// A thread and its store.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) id: String,
    pub(crate) store: Arc<dyn Store>,
}

/// Who watches a run.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) modes: StreamModes,
    /// Whether graphs within the graph are told of, too.
    pub(crate) has_subgraphs: bool,
    /// The ids of the messages that were told.
    pub(crate) told_messages: Arc<Mutex<HashSet<String>>>,
    pub(crate) events: Teller,
}

/// Where events go.
#[derive(Clone)]
pub(crate) enum Teller {
    /// To a reader, who may be slow: then the run waits.
    Reader(mpsc::Sender<Event>),
    /// To a log, at once: what the run keeps next is kept together with what it has told.
    Log(Arc<dyn Log>),
}

/// Takes the events of a run that is logged.
pub(crate) trait Log: Send + Sync {
    /// Takes an event; it is in the log before anything that the run keeps from now on.
    fn take(&self, event: Event);
    /// Takes what is to be kept of the run's thread; it is in the store before anything that is told or kept from now on.
    /// Gives what the store said of what was kept last.
    fn keep(&self, key: &ThreadKey, entries: Vec<Entry>) -> Appended;
    /// Whether an earlier attempt of the run may have kept what it did not come to tell.
    fn is_again(&self) -> bool;
    /// Returns when there is room for more.
    fn room(&self) -> BoxFuture<'_, ()>;
    /// Returns when what was taken is in the store.
    ///
    /// # Errors
    /// It can't be kept.
    fn settled(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

impl Teller {
    /// Tells an event. A reader that is gone is no error: the run goes on.
    pub(crate) async fn tell(&self, event: Event) {
        match self {
            Self::Reader(reader) => drop(reader.send(event).await),
            Self::Log(log) => {
                log.take(event);
                log.room().await;
            }
        }
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

impl Env {
    /// The id of the run.
    pub(crate) fn run_id(&self) -> String {
        self.run_name.clone().unwrap_or_else(|| CheckpointId(self.run_number).to_string())
    }

    /// Whether anybody wants the events behind one of these modes from the graph at this depth.
    pub(crate) fn is_watched(&self, is_root: bool, modes: &[StreamMode]) -> bool {
        self.watch
            .as_ref()
            .is_some_and(|watch| (is_root || watch.has_subgraphs) && watch.modes.has_any(modes))
    }

    /// The log, if the run has one: what it keeps and what it tells go the same way, in order.
    pub(crate) fn log(&self) -> Option<&dyn Log> {
        match &self.watch.as_ref()?.events {
            Teller::Log(log) => Some(&**log),
            Teller::Reader(_) => None,
        }
    }

    /// The answer to the one open question, for the first who asks.
    pub(crate) fn take_answer(&self) -> Option<Value> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts an answer back that did not fit its question.
    pub(crate) fn return_answer(&self, answer: Value) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    /// Notes that a message is told; whether it was not before.
    pub(crate) fn is_new_message(&self, id: &str) -> bool {
        let Some(watch) = &self.watch else { return false };
        let mut told = watch.told_messages.lock().unwrap_or_else(PoisonError::into_inner);
        !told.contains(id) && told.insert(id.to_owned())
    }

    /// The same for a graph that keeps nothing.
    pub(crate) fn without_thread(&self) -> Self {
        Self {
            thread: None,
            run_name: self.run_name.clone(),
            run_number: self.run_number,
            items: self.items.clone(),
            context: self.context.clone(),
            metadata: self.metadata.clone(),
            durability: self.durability,
            recursion_limit: self.recursion_limit,
            watch: self.watch.clone(),
            answers: self.answers.clone(),
            answer: Arc::clone(&self.answer),
            is_draining: Arc::clone(&self.is_draining),
            ambient: Arc::clone(&self.ambient),
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// A new checkpoint id: greater than every one before it in this process, and by its time than those of others.
    pub(crate) fn checkpoint_id(&self) -> CheckpointId {
        CheckpointId(next_id(&*self.ambient))
    }
}

/// The last tick that an id was made of: milliseconds and a counter within them.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A UUID of version 7 whose counter makes later ones greater.
pub(crate) fn next_id(ambient: &dyn Ambient) -> u128 {
    let now = u64::try_from(ambient.now_ms()).unwrap_or_default() << 16;
    let mut last = LAST.load(Ordering::Relaxed);
    let tick = loop {
        let next = now.max(last + 1);
        match LAST.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => break next,
            Err(other) => last = other,
        }
    };
    let (ms, counter) = (u128::from(tick >> 16), u128::from(tick & 0xffff));
    let (high, low) = (counter >> 4, counter & 0xf);
    let random = u128::from(process_random(ambient) ^ tick.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        & 0x03ff_ffff_ffff_ffff;
    (ms << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | (low << 58) | random
}

/// A number that is another one in every process.
fn process_random(ambient: &dyn Ambient) -> u64 {
    static RANDOM: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *RANDOM.get_or_init(|| ambient.random())
}
