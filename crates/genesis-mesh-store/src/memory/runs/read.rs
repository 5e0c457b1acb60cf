//! What is read of runs.
//!
//! Owns: searches, and the pages of logs.
//! Never: changes anything.

use super::{Kept, Runs};
use genesis_mesh_core::log::{LogEvent, Run, RunQuery, Seq};
use genesis_mesh_core::run::RunId;

impl Runs {
    pub(in super::super) fn len(&self) -> usize {
        self.shelf.runs.len()
    }

    pub(in super::super) fn get(&self, id: RunId) -> Option<Run> {
        self.shelf.get(id).map(|kept| kept.run.clone())
    }

    /// Runs, newest first.
    pub(in super::super) fn find(&self, query: &RunQuery) -> Vec<Run> {
        let limit = query.limit.unwrap_or(usize::MAX);
        let is_before = |id: RunId| query.before.is_none_or(|before| id < before);
        let fits = |kept: &&Kept| is_before(kept.run.id) && fits(&kept.run, query);
        match &query.thread {
            Some(thread) => {
                let runs = self.shelf.of_thread(thread).into_iter().rev();
                let runs = runs.filter_map(|id| self.shelf.get(id)).filter(fits);
                runs.take(limit).map(|kept| kept.run.clone()).collect()
            }
            None => {
                let runs = self.shelf.runs.values().rev().filter(fits);
                runs.take(limit).map(|kept| kept.run.clone()).collect()
            }
        }
    }

    pub(in super::super) fn events(&self, id: RunId, after: Seq, limit: usize) -> Vec<LogEvent> {
        let Some(kept) = self.shelf.get(id) else { return Vec::new() };
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        kept.events.iter().skip(after).take(limit).cloned().collect()
    }
}

fn fits(run: &Run, query: &RunQuery) -> bool {
    query.agent.as_ref().is_none_or(|agent| run.agent == *agent)
        && (query.principal.is_none() || query.principal == run.principal)
        && (query.statuses.is_empty() || query.statuses.contains(&run.status))
}
