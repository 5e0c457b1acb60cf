//! Tests of the store on a real cluster, one for all of them.

use super::*;
use crate::conformance;
use crate::testing::PostgresCluster;
use genesis_mesh_core::log::RunStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

async fn cluster() -> &'static PostgresCluster {
    static CLUSTER: OnceCell<PostgresCluster> = OnceCell::const_new();
    CLUSTER.get_or_init(async || PostgresCluster::start().await.expect("a cluster")).await
}

/// A schema that nobody has.
fn fresh() -> PostgresOptions {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
    PostgresOptions::default().schema(format!("test_{number}")).connections(4)
}

async fn store() -> Arc<PostgresStore> {
    Arc::new(PostgresStore::connect(&cluster().await.url(), &fresh()).await.expect("a store"))
}

#[tokio::test]
async fn the_store_keeps_the_contract_of_threads() {
    conformance::run_all(async || store().await as Arc<dyn Store>).await;
}

#[tokio::test]
async fn it_works() {
    store().await.check().await.expect("works");
}
