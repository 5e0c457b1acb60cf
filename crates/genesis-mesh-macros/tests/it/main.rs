//! The derives, against the core under the name by which the code that they make calls it.

#![expect(clippy::expect_used, reason = "a test that can't go on fails")]

extern crate genesis_mesh_core as genesis_mesh;

mod errors;
mod part;
mod state;
