//! Stops: whatever was recorded when a run was stopped, it can be resumed, and comes to where it would have come.

use crate::driver::{Halt, Live, cases};
use crate::replays::replay;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn a_run_that_is_stopped_after_any_fact_and_resumed_comes_to_the_same_state(
        case in cases(),
        order in any::<u64>(),
    ) {
        let mut undisturbed = Live::new(&case, order);
        let halt = undisturbed.play();
        // The first stops, and some of the later ones.
        for stop in (1..undisturbed.records.len()).filter(|stop| *stop < 8 || (*stop as u64 ^ order).is_multiple_of(3)) {
            let mut live = Live::new(&case, order).stop_after(stop);
            prop_assert_eq!(live.play(), Halt::Stopped);
            let machine = replay(&case.graph.topology(), &live.records)?;
            let went_on = live.go_on(machine);
            prop_assert_eq!(went_on, Ok(()));
            prop_assert_eq!(&live.play(), &halt, "stopped after {} facts", stop);
            if halt == Halt::Done {
                let (seen, wanted) = (live.machine.snapshot(), undisturbed.machine.snapshot());
                prop_assert_eq!(seen.unwrap(), wanted.unwrap(), "stopped after {} facts", stop);
            }
        }
    }
}
