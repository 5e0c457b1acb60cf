//! Breaches: how a promise of the server was not kept.
//!
//! Owns: their kinds, each with the promise that it breaks.
//! Never: is found by itself; the checker looks for it.

use std::fmt;

/// What kind of promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BreachKind {
    /// An accepted run is not there any more, or came to no end in time.
    Lost,
    /// A client was not told the end of its run.
    Untold,
    /// A run is there that no client asked for: one key made two runs.
    Strange,
    /// A number is missing in a log, or in what a client saw.
    Gap,
    /// An event came twice.
    Duplicate,
    /// A log has not exactly one end, or events after it, or its row says another one.
    Ends,
    /// A client saw something else than stands in the log.
    Differs,
    /// A run failed for another reason than that it came no further.
    Failed,
    /// A step is in a state or in a log more than once, or not together with the others of its run.
    StepTwice,
    /// A step is not in a state or in a log.
    StepMissing,
    /// The text that stands after all resets is not what was said.
    Text,
    /// The same effect was done with two keys, or two effects with one.
    Keys,
    /// A server ended by itself.
    Crash,
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) kind: BreachKind,
    /// The run, or what else it is about.
    pub(crate) about: String,
    pub(crate) detail: String,
}

impl Breach {
    pub(crate) fn new(kind: BreachKind, about: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, about: about.into(), detail: detail.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: {}", self.kind, self.about, self.detail)
    }
}
