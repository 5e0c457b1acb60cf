//! Tests of what a bench says about its numbers; the numbers themselves are no matter for tests.

use super::against;
use super::children::Children;
use super::error::BenchError;
use super::line::{Bound, Line, Outcome, Unit};
use super::machine::Ticks;
use super::series::{Series, quantile};
use std::process::{Command, Stdio};

fn compared(ours: &[f64], other: &[f64], bound: Bound) -> Line {
    let series = |values: &[f64]| Series::new(values.iter().copied());
    let (ours, other, beside) = (series(ours), series(other), "it".to_owned());
    let outcome = Outcome::Compared { ours, other, beside, bound };
    Line { what: "speed".to_owned(), unit: Unit::TokensPerSecond, outcome }
}

#[test]
fn a_ratio_of_medians_and_a_median_of_ratios_are_told_apart() {
    let line = compared(&[10.0, 20.0, 90.0], &[10.0, 10.0, 100.0], Bound::AtLeast(1.0));
    assert_eq!(line.ratio(), Some(2.0));
    assert_eq!(line.paired_ratio(), Some(1.0));
}

#[test]
fn a_bound_is_held_up_to_its_edge() {
    assert_eq!(compared(&[6.0], &[10.0], Bound::AtLeast(0.6)).is_held(), Some(true));
    assert_eq!(compared(&[5.9], &[10.0], Bound::AtLeast(0.6)).is_held(), Some(false));
    assert_eq!(compared(&[50.0], &[10.0], Bound::AtMost(5.0)).is_held(), Some(true));
    assert_eq!(compared(&[51.0], &[10.0], Bound::AtMost(5.0)).is_held(), Some(false));
    let limited = |value, limit| {
        let outcome = Outcome::Limited { ours: Series::new([value]), limit };
        Line { what: "size".to_owned(), unit: Unit::Megabytes, outcome }.is_held()
    };
    assert_eq!((limited(29.9, 30.0), limited(30.0, 30.0)), (Some(true), Some(false)));
    assert_eq!(Line::not_measured("speed", "no peer").is_held(), None);
}

#[test]
fn a_value_that_is_no_number_holds_nothing() {
    assert_eq!(compared(&[f64::NAN], &[1.0], Bound::AtLeast(0.0)).is_held(), Some(false));
    assert_eq!(compared(&[], &[1.0], Bound::AtMost(9.0)).is_held(), Some(false));
}

#[test]
fn quantiles_lie_between_their_neighbours() {
    assert_eq!(quantile(vec![4.0, 1.0, 2.0, 3.0], 0.5), 2.5);
    assert_eq!(quantile(vec![3.0, 1.0, 2.0], 1.0), 3.0);
    assert!(quantile(Vec::new(), 0.5).is_nan());
}

#[test]
fn a_peers_line_needs_both_speeds() {
    let speed =
        against::speed(r#"{"np":1,"prefill_tok_s":2000.5,"decode_tok_s":300}"#).expect("both are there");
    assert_eq!((speed.prefill, speed.decode), (2000.5, 300.0));
    assert!(against::speed(r#"{"prefill_tok_s":2000.5}"#).is_none());
    assert!(against::speed("loading").is_none());
}

#[test]
fn children_end_with_the_bench_and_none_starts_after() {
    let children = Children::default();
    let mut cat = children.spawn(&mut Command::new("cat"), Stdio::inherit()).expect("cat is everywhere");
    cat.ask().expect("cat reads");
    assert_eq!(cat.expect_line().expect("cat answers"), "\n");
    children.end_all();
    assert!(cat.read_line().expect("the output ends").is_none(), "a killed child says nothing more");
    let late = children.spawn(&mut Command::new("cat"), Stdio::inherit());
    assert!(matches!(late, Err(BenchError::Interrupted)));
}

#[test]
fn the_share_of_others_is_what_neither_the_bench_nor_idling_took() {
    let ticks = |stat: &str, own: &str| Ticks::parse(stat, own).expect("the texts are whole");
    let before =
        ticks("cpu  10 0 0 100 0 0 0 0 0 0\ncpu0 1", "7 (a b) c) R 1 7 7 0 -1 4 9 9 9 9 1 1 1 1 20 0");
    // 100 ticks more: 60 of the bench and its children, 20 idle or waiting, 20 of others.
    let after = ticks("cpu  70 0 10 115 5 0 0 10 3 0", "7 (a b) c) S 1 7 7 0 -1 4 9 9 9 9 31 11 11 11 20 0");
    assert_eq!(after.others_since(&before), 0.2);
    assert!(Ticks::parse("intr 5", "7 (a) R 1").is_none());
}
