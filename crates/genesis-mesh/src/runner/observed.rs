//! Observing runs that nobody reads, where they are driven.
//!
//! Owns: who is told what such a run tells, from its claim on.
//! Never: is a reader: whoever looks whether a run has readers does not find an observer.
//! Flow: `drive.rs` begins it when it knows what the run is; `writer.rs` tells it what is in the log.

use genesis_mesh_core::log::{LogEvent, Run};
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Is told what is in the log of one run, commit by commit; dropped when the run ends or is driven here no more.
pub type RunObserver = Box<dyn FnMut(&[LogEvent]) + Send>;

type Begin = Box<dyn Fn(&Run) -> RunObserver + Send + Sync>;

/// Who observes the runs of a mesh, if anybody does.
#[derive(Default)]
pub(super) struct Observer(OnceLock<Begin>);

impl Observer {
    /// Has runs observed from now on; the first who asks is the one who does.
    pub(super) fn set(&self, begin: Begin) {
        self.0.get_or_init(|| begin);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// The observer of one run that is driven.
#[derive(Default)]
pub(super) struct Observed(Mutex<Option<RunObserver>>);

impl Observed {
    /// The run begins, or goes on, here.
    pub(super) fn begin(&self, observer: &Observer, run: &Run) {
        if let Some(begin) = observer.0.get() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(begin(run));
        }
    }

    /// These events are in its log.
    pub(super) fn tell(&self, events: &[LogEvent]) {
        if let Some(observer) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            observer(events);
        }
    }
}
