//! Tests of the buses over real servers.

use super::{RUN, appended};
use crate::bus::{NatsBus, PostgresBus};
use crate::conformance;
use crate::testing::{NatsServer, PostgresCluster};
use futures_util::StreamExt as _;
use genesis_mesh_core::bus::{Bus, Hint, Hints, Topic};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A name that no other bus has.
fn name() -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test]
async fn the_bus_over_postgresql_keeps_the_contract() {
    let cluster = PostgresCluster::start().await.expect("a cluster");
    let make = async || {
        Arc::new(PostgresBus::connect(&cluster.url(), &name()).await.expect("a bus")) as Arc<dyn Bus>
    };
    conformance::run_all_bus(make).await;
}

#[tokio::test]
async fn the_bus_over_nats_keeps_the_contract() {
    let server = NatsServer::start().await.expect("a server");
    let make =
        async || Arc::new(NatsBus::connect(&server.url(), &name()).await.expect("a bus")) as Arc<dyn Bus>;
    conformance::run_all_bus(make).await;
}

/// Waits for this hint; others may come before.
async fn until(hints: &mut Hints, wanted: Hint) {
    while hints.next().await.expect("the bus lives") != wanted {}
}

/// Two processes with a bus each: what one publishes the other is told, also after the server was away, and who
/// subscribed before that is told that it may have missed something.
async fn outlives(first: &dyn Bus, second: &dyn Bus, restart: impl AsyncFn()) {
    let mut work = second.subscribe(Topic::Work).await.expect("a subscription");
    let mut run = second.subscribe(Topic::Run(RUN)).await.expect("a subscription");
    first.publish(Hint::Cancelled { run: RUN });
    until(&mut work, Hint::Cancelled { run: RUN }).await;
    restart().await;
    until(&mut work, Hint::Missed).await;
    until(&mut run, Hint::Missed).await;
    // The other one is there again too when its own subscription is confirmed.
    drop(first.subscribe(Topic::Work).await.expect("a subscription"));
    first.publish(appended(3));
    until(&mut run, appended(3)).await;
}

#[tokio::test]
async fn the_bus_over_postgresql_outlives_its_server() {
    let cluster = PostgresCluster::start().await.expect("a cluster");
    let name = name();
    let first = PostgresBus::connect(&cluster.url(), &name).await.expect("a bus");
    let second = PostgresBus::connect(&cluster.url(), &name).await.expect("a bus");
    let restart = async || {
        cluster.kill().await;
        cluster.start_again().await.expect("a start");
    };
    outlives(&first, &second, restart).await;
}

#[tokio::test]
async fn the_bus_over_nats_outlives_its_server() {
    let server = NatsServer::start().await.expect("a server");
    let name = name();
    let first = NatsBus::connect(&server.url(), &name).await.expect("a bus");
    let second = NatsBus::connect(&server.url(), &name).await.expect("a bus");
    let restart = async || {
        server.kill().await;
        server.start_again().await.expect("a start");
    };
    outlives(&first, &second, restart).await;
}

#[tokio::test]
async fn a_bus_whose_server_is_down_says_so_and_works_when_it_is_up() {
    let server = NatsServer::start().await.expect("a server");
    server.kill().await;
    let bus = NatsBus::connect(&server.url(), "down").await.expect("a bus");
    bus.publish(Hint::Queued);
    let error = bus.subscribe(Topic::Work).await.err().expect("it is down");
    assert_eq!(error.code(), "bus_unavailable");
    assert!(error.to_string().contains("look whether it runs"), "{error}");
    server.start_again().await.expect("a start");
    let mut hints = bus.subscribe(Topic::Work).await.expect("a subscription");
    bus.publish(Hint::Cancelled { run: RUN });
    until(&mut hints, Hint::Cancelled { run: RUN }).await;
}

#[tokio::test]
async fn names_and_urls_that_are_none_are_refused_without_their_secrets() {
    let bad = PostgresBus::connect("http://u:secret@h", "a").await.expect_err("it is no URL");
    assert!(!bad.to_string().contains("secret"), "{bad}");
    PostgresBus::connect("postgres://u@h/d", "a; DROP").await.expect_err("it is no name");
    NatsBus::connect("nats://h", "a.*").await.expect_err("it is no name");
}
