//! Whether a schema is in use: what a store holds as long as it is open, and what a copy needs.
//!
//! Owns: the lock: shared by the stores that use a schema, alone for who copies it. The server frees it with its session.
//! Never: waits for long; who is refused is told why.

use super::fault::Fault;
use deadpool_postgres::ClientWrapper;
use genesis_mesh_core::store::StoreError;

/// "GMsh": locks of two numbers are apart from those of one, which name threads.
const LOCK: i32 = 0x474d_7368;
/// A store that was closed just now leaves its sessions to the server for a moment.
const WAIT: &str = "SET lock_timeout TO '3s'";

/// What a connection of a store that uses `schema` runs when it is made.
pub(super) fn share(schema: &str) -> String {
    format!(
        "DO $$ BEGIN
             IF NOT pg_try_advisory_lock_shared({LOCK}, hashtext('{schema}')) THEN
                 RAISE EXCEPTION 'the schema {schema} is being copied' USING ERRCODE = 'object_in_use';
             END IF;
         END $$;"
    )
}

/// Has the schema alone, as long as the session lives.
pub(super) async fn take(client: &ClientWrapper, schema: &str) -> Result<(), Fault> {
    client.batch_execute(WAIT).await?;
    let locked = client.execute("SELECT pg_advisory_lock($1, hashtext($2))", &[&LOCK, &schema]).await;
    match locked.map_err(Fault::from) {
        Err(Fault::Other(StoreError::InUse { .. })) => {
            let message = format!("other processes have the schema {schema} open; stop the servers on it");
            Err(StoreError::InUse { message }.into())
        }
        locked => locked.map(drop),
    }
}
