//! The pace: how many threads a step gets, learned from how long steps took.
//!
//! Owns: recent step times for each number of rows and threads, and the choice made from them.
//! Never: changes a result: widths differ in speed alone.
//! Few rows wait for memory, which one thread may saturate; with busy neighbours a second thread waits for
//! its turn and the first for it. Neither is known beforehand, so the other widths are tried now and then.

use std::time::Duration;

/// Classes of batches: 1, 2, 3 to 4, 5 to 8 … rows.
const CLASSES: usize = 12;
/// Step times that are remembered: their median forgets a single hiccup.
const REMEMBERED: usize = 5;
/// Steps until another width is tried, at first and at most. A try that is worse doubles it.
const TRY_AFTER_MIN: u32 = 16;
const TRY_AFTER_MAX: u32 = 512;
/// The same while fewer threads than there are do best: what holds them back may end at any time.
const TRY_AFTER_MAX_NARROW: u32 = 64;

/// Chooses the number of threads for each step.
pub(crate) struct Pace {
    /// The widths to choose from, the largest first.
    widths: Vec<usize>,
    classes: Vec<Class>,
}

#[derive(Clone)]
struct Class {
    /// Recent times for each width, in nanoseconds a row; the oldest is replaced.
    times: Vec<Vec<f32>>,
    /// Steps until the next try, and the pause after it.
    countdown: u32,
    pause: u32,
    /// The width whose turn to be tried comes next.
    next: usize,
    /// Whether the first step is over, which pays for memory that nobody has touched yet.
    is_warm: bool,
}

impl Pace {
    /// Widths from `threads` down to 1, by halves.
    pub(crate) fn new(threads: usize) -> Self {
        let widths: Vec<usize> =
            std::iter::successors(Some(threads.max(1)), |width| (*width > 1).then(|| width / 2)).collect();
        let class = Class {
            times: vec![Vec::new(); widths.len()],
            countdown: TRY_AFTER_MIN,
            pause: TRY_AFTER_MIN,
            next: 1,
            is_warm: false,
        };
        Self { classes: vec![class; CLASSES], widths }
    }

    /// The threads for a step of `rows` rows: the quickest, or one that is to be tried.
    pub(crate) fn width(&mut self, rows: usize) -> usize {
        let widths = self.widths.len();
        let class = self.class(rows);
        let choice = if class.countdown == 0 { class.other(widths) } else { class.best() };
        self.widths.get(choice).copied().unwrap_or(1)
    }

    /// Remembers that a step of `rows` rows on `width` threads took `time`.
    pub(crate) fn took(&mut self, rows: usize, width: usize, time: Duration) {
        let Some(index) = self.widths.iter().position(|known| *known == width) else { return };
        let class = self.class(rows);
        if !std::mem::replace(&mut class.is_warm, true) {
            return;
        }
        let (tried, best) = (class.countdown == 0, class.best());
        let before = class.median(index);
        let nanos = time.as_nanos() as f32 / rows.max(1) as f32;
        if let Some(times) = class.times.get_mut(index) {
            if times.len() == REMEMBERED {
                times.remove(0);
            }
            times.push(nanos);
        }
        if !tried {
            class.countdown = class.countdown.saturating_sub(1);
            return;
        }
        // A try that beats what is known is repeated at once, until the medians have the last word.
        let improves = index != best && (nanos < class.median(best) || nanos < 0.7 * before);
        let longest = if best == 0 { TRY_AFTER_MAX } else { TRY_AFTER_MAX_NARROW };
        class.pause = if improves { TRY_AFTER_MIN } else { (class.pause * 2).min(longest) };
        class.countdown = if improves && class.best() != index { 0 } else { class.pause };
        if !improves {
            class.next = index + 1;
        }
    }

    fn class(&mut self, rows: usize) -> &mut Class {
        let class = (rows.max(1).next_power_of_two().trailing_zeros() as usize).min(CLASSES - 1);
        // `classes` is never empty, and `class` is within it.
        #[expect(clippy::indexing_slicing, reason = "bounded by CLASSES, the length of the vector")]
        &mut self.classes[class]
    }
}

impl Class {
    fn median(&self, index: usize) -> f32 {
        let mut times = self.times.get(index).cloned().unwrap_or_default();
        times.sort_by(f32::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f32::MAX)
    }

    /// The width to try: the next one in turn that is not the best.
    fn other(&self, widths: usize) -> usize {
        (0..widths).map(|step| (self.next + step) % widths).find(|next| *next != self.best()).unwrap_or(0)
    }

    fn best(&self) -> usize {
        (0..self.times.len()).min_by(|a, b| self.median(*a).total_cmp(&self.median(*b))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `steps` steps whose time depends on the width; gives how often each width was chosen.
    fn run(pace: &mut Pace, steps: usize, rows: usize, time: impl Fn(usize) -> u64) -> [usize; 3] {
        let mut chosen = [0; 3];
        for _ in 0..steps {
            let width = pace.width(rows);
            pace.took(rows, width, Duration::from_micros(time(width)));
            chosen[width] += 1;
        }
        chosen
    }

    #[test]
    fn the_quicker_width_gets_nearly_all_steps() {
        let mut pace = Pace::new(2);
        let chosen = run(&mut pace, 1000, 8, |width| if width == 2 { 5 } else { 8 });
        assert!(chosen[1] < 30, "{chosen:?}");
        let chosen = run(&mut pace, 1000, 1, |width| if width == 2 { 4 } else { 3 });
        assert!(chosen[2] < 50, "{chosen:?}");
    }

    #[test]
    fn busy_neighbours_are_noticed_and_so_is_their_end() {
        let mut pace = Pace::new(2);
        run(&mut pace, 300, 8, |width| if width == 2 { 5 } else { 8 });
        let busy = run(&mut pace, 300, 8, |width| if width == 2 { 50 } else { 10 });
        assert!(busy[2] < 20, "{busy:?}");
        run(&mut pace, 1100, 8, |width| if width == 2 { 5 } else { 8 });
        let quiet = run(&mut pace, 300, 8, |width| if width == 2 { 5 } else { 8 });
        assert!(quiet[1] < 20, "{quiet:?}");
    }

    #[test]
    fn a_single_hiccup_changes_nothing() {
        let mut pace = Pace::new(2);
        run(&mut pace, 100, 4, |width| if width == 2 { 5 } else { 8 });
        pace.took(4, 2, Duration::from_millis(100));
        let chosen = run(&mut pace, 50, 4, |width| if width == 2 { 5 } else { 8 });
        assert!(chosen[1] <= 3, "{chosen:?}");
    }
}
