//! The pulse on a paused clock.

use super::*;
use std::future::poll_fn;

const PING: Duration = Duration::from_secs(20);
const STALL: Duration = Duration::from_secs(30);

async fn next(pulse: &mut Pulse) -> (Beat, u64) {
    let start = Instant::now();
    let beat = poll_fn(|context| pulse.poll(context)).await;
    (beat, start.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_after_20_s_and_given_up_after_40_s() {
    let mut pulse = Pulse::new(PING, STALL);
    assert_eq!(next(&mut pulse).await, (Beat::Ping, 20));
    assert_eq!(next(&mut pulse).await, (Beat::Silent, 20));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_heard_is_asked_again_20_s_later() {
    let mut pulse = Pulse::new(PING, STALL);
    assert_eq!(next(&mut pulse).await, (Beat::Ping, 20));
    tokio::time::advance(Duration::from_secs(5)).await;
    pulse.heard();
    assert_eq!(next(&mut pulse).await, (Beat::Ping, 20));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_stays_stuck_stalls_after_30_s_and_a_flush_forgives() {
    let mut pulse = Pulse::new(PING, STALL);
    pulse.blocked();
    tokio::time::advance(Duration::from_secs(10)).await;
    pulse.flushed();
    pulse.heard();
    pulse.blocked();
    pulse.blocked();
    assert_eq!(next(&mut pulse).await, (Beat::Ping, 20));
    pulse.heard();
    assert_eq!(next(&mut pulse).await, (Beat::Stalled, 10));
}

#[tokio::test(start_paused = true)]
async fn a_stall_shorter_than_the_ping_interval_is_noticed_in_time() {
    let mut pulse = Pulse::new(PING, Duration::from_secs(2));
    pulse.blocked();
    assert_eq!(next(&mut pulse).await, (Beat::Stalled, 2));
}
