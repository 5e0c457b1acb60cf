//! States that lack what a state needs.

extern crate self as genesis_mesh;
#[path = "mesh/names.rs"]
mod names;
pub use names::*;

use genesis_mesh_macros::State;

#[derive(State)]
struct Bare {
    topic: String,
}

fn main() {}
