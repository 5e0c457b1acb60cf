//! The engine: the thread that owns a model's scheduler, and the handle that reaches it.
//!
//! Owns: the bounded queue to the thread, and the numbers that it shows.
//! Never: lets a caller wait: a full queue is an error.
//! Stops when every handle is gone and the last sequence has ended.

use crate::scheduler::Scheduler;
use crate::sequence::Sequence;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender, TryRecvError, TrySendError};
use std::thread;

/// What an engine does at the moment; each number may be a step old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineLoad {
    /// Answers being computed.
    pub running: usize,
    /// Requests that wait for a slot.
    pub waiting: usize,
    /// Pages of keys and values in use by answers; a page holds 16 tokens.
    pub pages_in_use: usize,
    /// Steps computed since the start.
    pub steps: usize,
}

#[derive(Default)]
struct Gauges {
    running: AtomicUsize,
    /// Requests accepted and not yet running.
    waiting: AtomicUsize,
    pages_in_use: AtomicUsize,
    steps: AtomicUsize,
}

/// A handle to the engine's thread.
pub(crate) struct Engine {
    queue: SyncSender<Sequence>,
    gauges: Arc<Gauges>,
    queue_max: usize,
}

/// The queue is full.
#[derive(Debug)]
pub(crate) enum SubmitError {
    /// This many requests wait already.
    Busy(usize),
    /// The engine's thread has ended.
    Stopped,
}

impl Engine {
    /// Starts the thread; at most `queue_max` requests wait at a time.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(crate) fn start(scheduler: Scheduler, queue_max: usize) -> io::Result<Self> {
        let (queue, requests) = mpsc::sync_channel(queue_max.max(1));
        let gauges = Arc::new(Gauges::default());
        let shown = Arc::clone(&gauges);
        thread::Builder::new().name("engine".to_owned()).spawn(move || run(scheduler, &requests, &shown))?;
        Ok(Self { queue, gauges, queue_max: queue_max.max(1) })
    }

    /// Queues a sequence.
    pub(crate) fn submit(&self, sequence: Sequence) -> Result<(), SubmitError> {
        let waiting = self.gauges.waiting.fetch_add(1, Ordering::SeqCst);
        let result = if waiting >= self.queue_max {
            Err(SubmitError::Busy(waiting))
        } else {
            self.queue.try_send(sequence).map_err(|error| match error {
                TrySendError::Full(_) => SubmitError::Busy(waiting),
                TrySendError::Disconnected(_) => SubmitError::Stopped,
            })
        };
        if result.is_err() {
            self.gauges.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        result
    }

    /// The most requests that wait.
    pub(crate) fn queue_max(&self) -> usize {
        self.queue_max
    }

    pub(crate) fn load(&self) -> EngineLoad {
        let read = |gauge: &AtomicUsize| gauge.load(Ordering::Relaxed);
        EngineLoad {
            running: read(&self.gauges.running),
            waiting: read(&self.gauges.waiting),
            pages_in_use: read(&self.gauges.pages_in_use),
            steps: read(&self.gauges.steps),
        }
    }
}

/// The engine's life: sleep without work, else a turn after taking in what has come.
fn run(mut scheduler: Scheduler, requests: &mpsc::Receiver<Sequence>, gauges: &Gauges) {
    let mut is_open = true;
    while is_open || !scheduler.is_idle() {
        if scheduler.is_idle() {
            match requests.recv() {
                Ok(sequence) => scheduler.enqueue(sequence),
                Err(mpsc::RecvError) => return,
            }
        }
        loop {
            match requests.try_recv() {
                Ok(sequence) => scheduler.enqueue(sequence),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    is_open = false;
                    break;
                }
            }
        }
        // Told before the step: whoever has seen a token of this step finds its place in the queue free.
        let before = scheduler.waiting();
        scheduler.admit();
        gauges.waiting.fetch_sub(before - scheduler.waiting(), Ordering::SeqCst);
        scheduler.advance();
        gauges.running.store(scheduler.running(), Ordering::Relaxed);
        gauges.pages_in_use.store(scheduler.pages_in_use(), Ordering::Relaxed);
        gauges.steps.fetch_add(1, Ordering::Relaxed);
    }
}
