//! The loops of a runner: claiming runs, keeping leases, deleting what has outlived its time.
//!
//! Owns: when the store is asked, and the order in which a runner stops.
//! Never: drives a run; each has a task of its own.

use super::drive::begin;
use super::error::{LogError, WorksOnce};
use super::hub::Hub;
use super::job::last_event;
use super::leased::within;
use crate::update::Update;
use futures_util::StreamExt;
use genesis_mesh_core::bus::{Hint, Hints, Topic};
use genesis_mesh_core::log::{Beat, CancelKind, CancelOutcome, Claim};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::{FinishReason, Usage};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// So many runs are claimed at one time: others get their share.
const CLAIM_MAX: usize = 64;
/// So much is deleted in one transaction.
const SWEEP_MAX: usize = 100;

/// Works until `stop` resolves; then claims nothing more, lets runs end until `drained` resolves, and gives back those
/// that go on.
pub(crate) async fn work(
    hub: Arc<Hub>,
    stop: impl Future<Output = ()> + Send,
    drained: impl Future<Output = ()> + Send,
) -> Result<(), WorksOnce> {
    if hub.has_worked.swap(true, Ordering::Relaxed) {
        return Err(WorksOnce);
    }
    let _abort = hub.tasks.abort_guard();
    let _idle = Idle(&hub);
    // 1 Whoever had runs of a store of one process is gone.
    if hub.options.is_alone {
        match within(hub.options.lease, hub.store.release_all()).await {
            Ok(0) => {}
            Ok(runs) => tracing::info!(runs, "going on with the runs of the process before"),
            Err(error) => {
                tracing::warn!(%error, "the runs of the process before wait for their leases to run out");
            }
        }
    }
    hub.is_working.store(true, Ordering::Relaxed);
    // Leases are kept until the last run is given back.
    let stopping = CancellationToken::new();
    let working = async {
        // 2 Nothing more is claimed, here or by a submission.
        let stopped = async {
            stop.await;
            hub.is_working.store(false, Ordering::Relaxed);
            stopping.cancel();
        };
        tokio::join!(stopped, claims(&hub, &stopping), stopping.run_until_cancelled(sweeps(&hub)));
        // 3 What runs may end.
        tokio::select! {
            () = idle(&hub) => {}
            () = drained => {}
        }
        // 4 What goes on is given back, with all that it told in the log.
        hub.gives_back.cancel();
        idle(&hub).await;
    };
    tokio::select! {
        () = working => {}
        () = heartbeats(&hub) => {}
        () = hints(&hub) => {}
    }
    // 5 Followers of logs end.
    hub.tasks.end().await;
    Ok(())
}

/// Whoever drops the work has no room for runs any more.
struct Idle<'a>(&'a Hub);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.is_working.store(false, Ordering::Relaxed);
    }
}

/// Asks a run to stop, here or wherever it is driven.
pub(crate) async fn cancel(hub: &Hub, run: RunId, kind: CancelKind) -> Result<CancelOutcome, LogError> {
    let done = Update::Done { usage: Usage::default(), finish_reason: FinishReason::Cancelled };
    let outcome = hub.store.cancel(run, kind, last_event(&done)).await?;
    match outcome {
        CancelOutcome::Asked if !hub.stop_here(run, kind) => hub.bus.publish(Hint::Cancelled { run }),
        CancelOutcome::Ended => {
            // Whoever reads it finds its end; the next run of its thread may begin.
            if let Some(row) = hub.store.run(run).await? {
                hub.bus.publish(Hint::Appended { run, seq: row.last_seq });
            }
            hub.work.notify_one();
        }
        _ => {}
    }
    Ok(outcome)
}

/// Returns when no run is driven here.
async fn idle(hub: &Hub) {
    loop {
        let mut rested = std::pin::pin!(hub.rested.notified());
        rested.as_mut().enable();
        if hub.is_idle() {
            return;
        }
        rested.await;
    }
}

/// Claims runs until the stop; a claim that is on its way then is waited for, since what it claims would be nobody's.
async fn claims(hub: &Arc<Hub>, stopping: &CancellationToken) {
    let agents: Vec<String> = hub.agents.keys().cloned().collect();
    while !stopping.is_cancelled() {
        if hub.stuck() > 0 {
            // Others may do better; after a rest one run shows whether this mesh does, too.
            let rest = timeout(hub.rest_time(), hub.unstuck.notified());
            let _ = stopping.run_until_cancelled(rest).await;
            if stopping.is_cancelled() {
                return;
            }
        }
        let limit = if hub.stuck() > 0 { hub.free().min(1) } else { hub.room().min(CLAIM_MAX) };
        let mut claimed = 0;
        if limit > 0 {
            let (owner, lease_ms) = (hub.options.owner.clone(), hub.options.lease_ms());
            let claim = hub.store.claim(Claim { owner, lease_ms, agents: agents.clone(), limit });
            // Whatever it claims is nobody's again after the time of a lease.
            match within(hub.options.lease, claim).await {
                Ok(runs) => {
                    claimed = runs.len();
                    for run in runs {
                        begin(hub, run, None);
                    }
                }
                Err(error) => tracing::debug!(%error, "no run can be claimed now"),
            }
        }
        if claimed == 0 || claimed < limit {
            let waited = timeout(hub.options.poll, hub.work.notified());
            let _ = stopping.run_until_cancelled(waited).await;
        }
    }
}

async fn sweeps(hub: &Hub) {
    let mut ticks = interval(hub.options.sweep);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match within(hub.options.sweep, hub.store.sweep(SWEEP_MAX)).await {
                Ok(swept) if swept.runs == SWEEP_MAX || swept.threads == SWEEP_MAX => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::debug!(%error, "nothing can be deleted now");
                    break;
                }
            }
        }
    }
}

async fn heartbeats(hub: &Hub) {
    let mut ticks = interval(hub.options.lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let leases = hub.leases();
        if leases.is_empty() {
            continue;
        }
        // Three of them fit into a lease: one that is not answered costs no run its owner.
        let beat = hub.store.heartbeat(&leases, hub.options.lease_ms());
        match within(hub.options.lease / 3, beat).await {
            Ok(beats) => {
                for (lease, beat) in leases.iter().zip(beats) {
                    match beat {
                        Beat::Held(wish) => {
                            hub.beats(lease);
                            if let Some(kind) = wish {
                                hub.stop_here(lease.run, kind);
                            }
                        }
                        Beat::Lost => hub.lose(lease),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, runs = leases.len(), "leases could not be extended"),
        }
    }
}

/// Hears what other processes say to runners.
async fn hints(hub: &Hub) {
    loop {
        match timeout(hub.options.lease, hub.bus.subscribe(Topic::Work)).await {
            Ok(Ok(heard)) => hear(hub, heard).await,
            Ok(Err(error)) => tracing::debug!(%error, "no hints; the store is asked now and then"),
            Err(_) => tracing::debug!("the bus is silent; the store is asked now and then"),
        }
        tokio::time::sleep(hub.options.poll).await;
    }
}

async fn hear(hub: &Hub, mut heard: Hints) {
    while let Some(hint) = heard.next().await {
        match hint {
            Hint::Queued | Hint::Missed => hub.work.notify_one(),
            Hint::Cancelled { run } if hub.leases().iter().any(|lease| lease.run == run) => {
                if let Ok(Some(row)) = within(hub.options.lease, hub.store.run(run)).await {
                    hub.stop_here(run, row.cancel.unwrap_or(CancelKind::Interrupt));
                }
            }
            Hint::Cancelled { .. } | Hint::Appended { .. } => {}
        }
    }
}
