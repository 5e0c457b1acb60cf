//! Replay: applying the recorded facts gives the live run, at every fact and from every snapshot on.

use crate::driver::{Live, cases, sight};
use crate::replays::feed;
use genesis_mesh_core::run::{Machine, MachineSnapshot, Namespace};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn the_records_give_the_live_run_at_every_fact(case in cases(), order in any::<u64>()) {
        let mut live = Live::new(&case, order).watched();
        live.play();
        let mut replayed = Machine::new(case.graph.topology(), Namespace::default());
        for (record, seen) in live.records.iter().zip(&live.sights) {
            feed(&mut replayed, record)?;
            prop_assert_eq!(&sight(&replayed), seen, "after {:?}", record);
        }
    }

    #[test]
    fn a_snapshot_and_the_records_after_it_give_the_live_run(case in cases(), order in any::<u64>()) {
        let mut live = Live::new(&case, order).watched();
        live.play();
        let topology = case.graph.topology();
        let begins = live.records.iter().enumerate().filter(|(_, record)| record.checkpoint().is_some());
        for (begin, _) in begins {
            let text = live.sights[begin]["snapshot"].to_string();
            let snapshot: MachineSnapshot = serde_json::from_str(&text).unwrap();
            let ns = Namespace::default();
            let mut restored = Machine::restore(&topology, ns, snapshot).unwrap();
            prop_assert_eq!(&sight(&restored), &live.sights[begin], "restored after {:?}", &live.records[begin]);
            for (record, seen) in live.records.iter().zip(&live.sights).skip(begin + 1).take(12) {
                feed(&mut restored, record)?;
                prop_assert_eq!(&sight(&restored), seen, "{:?} after a snapshot", record);
            }
        }
    }
}
