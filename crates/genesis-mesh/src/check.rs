//! Whether what a store keeps can still be read: after agents have changed, before they are served.
//!
//! Owns: which threads are read, and what is told of those that can't be.
//! Never: changes a thread or a run, or asks a model.
//! Flow: runs, newest first; of each thread the newest run says whose it is, and its graph replays it.

use crate::mesh::Mesh;
use crate::runner::{LogError, own_thread, thread_label};
use crate::setup::{GenesisMesh, SetupError};
use genesis_mesh_core::log::RunQuery;
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// So many runs are read at once.
const PAGE: usize = 500;

/// What came of reading threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadsChecked {
    /// So many threads of graphs could be read.
    pub readable: usize,
    /// Those that can't be.
    pub unreadable: Vec<UnreadableThread>,
    /// Agents that this mesh does not have, each with the number of its threads, which were not read: those of another
    /// server on the same store, or of an agent that is gone.
    pub unknown_agents: BTreeMap<String, usize>,
}

/// A thread that its agent can't read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableThread {
    /// The thread, as the store knows it: [`thread_label`](crate::thread_label) gives the name that its clients know.
    pub thread: String,
    /// The agent.
    pub agent: String,
    /// The last run on it.
    pub run: RunId,
    /// A stable name for what is wrong: `stored_value_invalid`, `unknown_node`.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

/// Why threads could not be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The mesh has mistakes.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The store can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Mesh {
    /// Reads all threads of graphs that the store keeps with the agents as they are now: the newest checkpoint of each is
    /// replayed. For programs with graphs of their own, to call after a change and before they serve.
    ///
    /// # Errors
    /// The store can't be reached. What it holds and can't be read is told in the answer.
    pub async fn check_threads(&self) -> Result<ThreadsChecked, LogError> {
        let (mut checked, mut seen) = (ThreadsChecked::default(), HashSet::new());
        let mut before = None;
        loop {
            let runs = self.runs(RunQuery { before, limit: Some(PAGE), ..RunQuery::default() }).await?;
            let Some(last) = runs.last() else { return Ok(checked) };
            before = Some(last.id);
            for run in runs {
                let thread = run.thread.unwrap_or_else(|| own_thread(run.id));
                if seen.insert(thread.clone()) {
                    self.check_thread(&mut checked, thread, run.agent, run.id).await?;
                }
            }
        }
    }

    async fn check_thread(
        &self,
        checked: &mut ThreadsChecked,
        thread: String,
        agent: String,
        run: RunId,
    ) -> Result<(), LogError> {
        if self.store().namespaces(&thread).await?.is_empty() {
            // Nothing was kept: the agent is no graph, or its run has not begun.
            return Ok(());
        }
        if self.agent(&agent).is_none() {
            *checked.unknown_agents.entry(agent).or_default() += 1;
            return Ok(());
        }
        match self.thread_state(&agent, &thread).await {
            Ok(_) => checked.readable += 1,
            Err(error) if error.is_retryable() => {
                return Err(StoreError::Unavailable { message: error.to_string() }.into());
            }
            Err(error) => {
                let (code, message) = (error.code().to_owned(), error.to_string());
                checked.unreadable.push(UnreadableThread { thread, agent, run, code, message });
            }
        }
        Ok(())
    }
}

impl GenesisMesh {
    /// As [`Mesh::check_threads`], without loading a model: none is asked. The store is opened, and made if it is not there.
    ///
    /// # Errors
    /// All mistakes of the declarations, or the store can't be read.
    pub async fn check_threads(self) -> Result<ThreadsChecked, CheckError> {
        Ok(self.unloaded().setup().await?.check_threads().await?)
    }
}

impl fmt::Display for UnreadableThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, agent, run, code, message } = self;
        let thread = thread_label(thread);
        write!(f, "thread {thread:?} of `{agent}`, run {run}: {message} ({code})")
    }
}

impl fmt::Display for ThreadsChecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} threads can be read", self.readable)?;
        if !self.unreadable.is_empty() {
            write!(f, ", {} can't", self.unreadable.len())?;
        }
        for (agent, count) in &self.unknown_agents {
            write!(f, ", {count} are of `{agent}`, which is not configured")?;
        }
        Ok(())
    }
}
