//! States that lack what a state needs.

extern crate genesis_mesh_core as genesis_mesh;
use genesis_mesh_macros::State;

#[derive(State)]
struct Bare {
    topic: String,
}

fn main() {}
