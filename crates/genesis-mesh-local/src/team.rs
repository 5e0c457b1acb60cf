//! The team: a fixed set of threads that run one function together, phase by phase.
//!
//! Owns: the worker threads, the claiming of work and the barrier between phases.
//! Never: knows what is computed.
//! A member takes pieces of its own share first and then of the others', so that a member that the
//! operating system holds back delays only the piece in its hands. Waiting spins for a few microseconds,
//! then sleeps: a busy machine gets its core back.
#![expect(unsafe_code, reason = "a borrowed job is lent to the worker threads for the length of one call")]

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::io;
use std::ops::Range;
use std::process::abort;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};

/// Turns of the spin loop before a member sleeps at a barrier: about 20 µs (a turn took 53 ns on Zen 5), several
/// times a usual wait. Ten times more lost a third of the speed beside two busy processes.
const BARRIER_SPINS: u32 = 400;
/// Turns before a worker without a job sleeps: about 50 µs, longer than the gap between two steps.
const IDLE_SPINS: u32 = 1_000;
/// More than the widest team: job numbers are multiples of it.
const WIDTHS: usize = 1 << 12;

/// Threads that compute together; the caller of `run` is member 0.
pub(crate) struct Team {
    shared: Arc<TeamShared>,
    workers: Vec<JoinHandle<()>>,
}

struct TeamShared {
    members: Vec<Seat>,
    /// The number of the job and, in the low bits, its width: read as one, so that a worker never takes the
    /// width of one job for that of another.
    jobs: AtomicUsize,
    job: UnsafeCell<Option<Job>>,
    stop: AtomicBool,
    arrived: AtomicUsize,
    /// Counts barriers passed.
    phase: AtomicUsize,
}

type Job = *const (dyn Fn(&Member<'_>) + Sync);

// SAFETY: `job` is written by the caller of `run` alone, before the change of `jobs` that publishes it and
// after the last barrier of the job before.
unsafe impl Sync for TeamShared {}
// SAFETY: as above; the pointer is used only while `run` waits.
unsafe impl Send for TeamShared {}

/// What belongs to one member, on cache lines of its own.
#[repr(align(128))]
struct Seat {
    /// Pieces taken of this member's share, in even and in odd phases.
    taken: [AtomicUsize; 2],
    thread: Mutex<Option<Thread>>,
    asleep: AtomicBool,
}

struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        tracing::error!("a computing thread panicked; the process ends");
        abort();
    }
}

/// One thread's view of a job.
pub(crate) struct Member<'a> {
    shared: &'a TeamShared,
    /// 0 to `width - 1`.
    pub(crate) index: usize,
    /// Members of this job.
    pub(crate) width: usize,
}

impl Team {
    /// A team of `size` members, at least 1; spawns `size - 1` threads.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(crate) fn new(size: usize) -> io::Result<Self> {
        let seat = || Seat {
            taken: [AtomicUsize::new(0), AtomicUsize::new(0)],
            thread: Mutex::new(None),
            asleep: AtomicBool::new(false),
        };
        let shared = Arc::new(TeamShared {
            members: (0..size.clamp(1, WIDTHS - 1)).map(|_| seat()).collect(),
            jobs: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            stop: AtomicBool::new(false),
            arrived: AtomicUsize::new(0),
            phase: AtomicUsize::new(0),
        });
        // Dropped on an error, it ends the workers that have started.
        let mut team = Self { shared: Arc::clone(&shared), workers: Vec::new() };
        for index in 1..size.min(WIDTHS - 1) {
            let shared = Arc::clone(&shared);
            let name = format!("compute-{index}");
            team.workers.push(thread::Builder::new().name(name).spawn(move || shared.work(index))?);
        }
        Ok(team)
    }

    /// Members, the caller included.
    pub(crate) fn size(&self) -> usize {
        self.shared.members.len()
    }

    /// Runs `job` on `width` members (at most the team) and returns when all are done.
    pub(crate) fn run(&mut self, width: usize, job: &(dyn Fn(&Member<'_>) + Sync)) {
        let width = width.clamp(1, self.size());
        let shared = &*self.shared;
        if let Some(seat) = shared.members.first() {
            seat.sit();
        }
        if width > 1 {
            // SAFETY: the pointer outlives its use: this function returns only after the last barrier, and
            // workers touch the job only before it.
            let job = unsafe { std::mem::transmute::<&(dyn Fn(&Member<'_>) + Sync), Job>(job) };
            // SAFETY: no worker reads the cell between two jobs.
            unsafe { *shared.job.get() = Some(job) };
            let number = shared.jobs.load(Ordering::Relaxed) / WIDTHS;
            shared.jobs.store(number.wrapping_add(1).wrapping_mul(WIDTHS) + width, Ordering::SeqCst);
            shared.members.iter().take(width).skip(1).for_each(Seat::wake);
        }
        Member { shared, index: 0, width }.work(job);
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.jobs.fetch_add(WIDTHS, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker that panicked has said so already; there is nothing left to do with it.
            let _ = worker.join();
        }
    }
}

impl Seat {
    /// Makes the calling thread the one that `wake` wakes.
    fn sit(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_none_or(|seated| seated.id() != thread::current().id()) {
            *thread = Some(thread::current());
        }
    }

    /// Sleeps after `spins` turns of waiting until `ready`.
    fn wait(&self, spins: u32, ready: impl Fn() -> bool) {
        for _ in 0..spins {
            if ready() {
                return;
            }
            spin_loop();
        }
        self.asleep.store(true, Ordering::SeqCst);
        while !ready() {
            thread::park();
        }
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the member if it sleeps; the change that it waits for was made before.
    fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst)
            && let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner)
        {
            thread.unpark();
        }
    }
}

impl TeamShared {
    /// The life of worker `index`.
    fn work(&self, index: usize) {
        let Some(seat) = self.members.get(index) else { return };
        seat.sit();
        let mut done = 0;
        loop {
            // A job that does not need this worker is passed over; it sleeps on.
            seat.wait(IDLE_SPINS, || self.jobs.load(Ordering::SeqCst) != done);
            done = self.jobs.load(Ordering::SeqCst);
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let width = done % WIDTHS;
            if index >= width {
                continue;
            }
            // SAFETY: the caller of `run` wrote the job before it changed `jobs`, and waits at the barrier.
            if let Some(job) = unsafe { *self.job.get() } {
                // SAFETY: as above.
                Member { shared: self, index, width }.work(unsafe { &*job });
            }
        }
    }
}

impl Member<'_> {
    /// Does this member's part of `job` and waits for the others.
    fn work(&self, job: &(dyn Fn(&Member<'_>) + Sync)) {
        // The others would wait for ever for a member that unwinds.
        let guard = AbortOnUnwind;
        job(self);
        self.barrier();
        std::mem::forget(guard);
    }

    /// Does `work` for every unit below `units`, shared between the members in pieces of `grain`, and
    /// waits until all are done.
    pub(crate) fn each(&self, units: usize, grain: usize, work: impl FnMut(Range<usize>)) {
        self.each_then(units, grain, work, || ());
    }

    /// The same; calls `ahead` before it waits.
    pub(crate) fn each_then(
        &self,
        units: usize,
        grain: usize,
        mut work: impl FnMut(Range<usize>),
        ahead: impl FnOnce(),
    ) {
        let parity = self.shared.phase.load(Ordering::Relaxed) % 2;
        for turn in 0..self.width {
            let owner = (self.index + turn) % self.width;
            let (start, end) = (units * owner / self.width, units * (owner + 1) / self.width);
            let Some(taken) = self.shared.members.get(owner).and_then(|seat| seat.taken.get(parity)) else {
                continue;
            };
            loop {
                let from = start + taken.fetch_add(grain, Ordering::Relaxed);
                if from >= end {
                    break;
                }
                work(from..end.min(from + grain));
            }
        }
        ahead();
        self.barrier();
    }

    /// Where this member's own share of `units` starts.
    pub(crate) fn share(&self, units: usize) -> usize {
        units * self.index / self.width
    }

    /// Waits until every member has come here.
    pub(crate) fn barrier(&self) {
        let shared = self.shared;
        let phase = shared.phase.load(Ordering::Relaxed);
        if self.width == 1 || shared.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.width {
            for seat in shared.members.iter().take(self.width) {
                if let Some(taken) = seat.taken.get(phase % 2) {
                    taken.store(0, Ordering::Relaxed);
                }
            }
            shared.arrived.store(0, Ordering::Relaxed);
            shared.phase.store(phase.wrapping_add(1), Ordering::SeqCst);
            if self.width > 1 {
                let others = shared.members.iter().take(self.width).enumerate();
                others.filter(|(index, _)| *index != self.index).for_each(|(_, seat)| seat.wake());
            }
        } else if let Some(seat) = shared.members.get(self.index) {
            seat.wait(BARRIER_SPINS, || shared.phase.load(Ordering::SeqCst) != phase);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_done_once_in_every_phase_at_every_width() {
        let mut team = Team::new(4).unwrap();
        for width in (1..=4).cycle().take(400) {
            let done: Vec<AtomicUsize> = (0..37).map(|_| AtomicUsize::new(0)).collect();
            team.run(width, &|member| {
                for phase in 0..5 {
                    member.each(done.len(), 3, |units| {
                        for unit in units {
                            // A barrier stands between phases: all units have the same count here.
                            assert_eq!(done[unit].fetch_add(1, Ordering::SeqCst), phase);
                        }
                    });
                }
            });
            assert!(done.iter().all(|count| count.load(Ordering::SeqCst) == 5));
        }
    }

    #[test]
    fn a_team_serves_callers_on_different_threads() {
        let mut team = Team::new(2).unwrap();
        for _ in 0..20 {
            team = thread::spawn(move || {
                team.run(2, &|member| member.each(2, 1, |_| ()));
                team
            })
            .join()
            .unwrap();
        }
    }
}
