//! Tests of the services themselves.

use super::{NatsServer, PostgresCluster};
use std::path::PathBuf;
use tokio_postgres::NoTls;

/// One number from the database.
async fn number(cluster: &PostgresCluster, statement: &str) -> Result<i64, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(&cluster.url(), NoTls).await?;
    let ask = async {
        let row = client.query_one(statement, &[]).await?;
        row.try_get(0)
    };
    tokio::select! {
        answer = ask => answer,
        ended = connection => { ended?; panic!("the connection has ended") }
    }
}

#[tokio::test]
async fn a_cluster_keeps_what_it_had_when_it_is_killed_or_stopped() {
    let cluster = PostgresCluster::start().await.expect("a cluster");
    number(&cluster, "SELECT 1::int8 FROM (SELECT set_config('a.b', 'c', false)) AS s")
        .await
        .expect("a number");
    let (client, connection) = tokio_postgres::connect(&cluster.url(), NoTls).await.expect("a connection");
    let make = client.batch_execute("CREATE TABLE t AS SELECT 7::int8 AS n");
    tokio::select! {
        made = make => made.expect("a table"),
        _ = connection => panic!("the connection ended"),
    }
    cluster.kill().await;
    number(&cluster, "SELECT 1::int8").await.expect_err("it is gone");
    cluster.start_again().await.expect("a start");
    assert_eq!(number(&cluster, "SELECT n FROM t").await.expect("a number"), 7);
    cluster.stop().await.expect("a stop");
    number(&cluster, "SELECT 1::int8").await.expect_err("it has stopped");
    cluster.start_again().await.expect("a start");
    assert_eq!(number(&cluster, "SELECT n FROM t").await.expect("a number"), 7);
}

#[tokio::test]
async fn nothing_is_left_of_a_cluster() {
    let cluster = PostgresCluster::start().await.expect("a cluster");
    let (folder, pid): (PathBuf, u32) = {
        let mut keeper = cluster.keeper().lock().await;
        (keeper.folder().to_owned(), keeper.pid().expect("it runs"))
    };
    assert!(folder.join("data").is_dir());
    drop(cluster);
    assert!(!folder.exists());
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn a_nats_server_comes_back_on_its_port() {
    let server = NatsServer::start().await.expect("a server");
    let address = server.url().trim_start_matches("nats://").to_owned();
    tokio::net::TcpStream::connect(&address).await.expect("it listens");
    server.kill().await;
    tokio::net::TcpStream::connect(&address).await.expect_err("it is gone");
    server.start_again().await.expect("a start");
    tokio::net::TcpStream::connect(&address).await.expect("it listens");
}
