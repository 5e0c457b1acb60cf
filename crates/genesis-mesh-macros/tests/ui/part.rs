//! Parts that are not of their state.

extern crate self as genesis_mesh;
#[path = "mesh/names.rs"]
mod names;
pub use names::*;

use genesis_mesh_macros::{Part, State};

#[derive(State, Clone, Default)]
struct Blog {
    topic: String,
    words: u32,
}

#[derive(Part)]
struct Nowhere {
    topic: String,
}

#[derive(Part)]
#[part(of = Blog)]
struct Other {
    title: String,
    words: u64,
}

fn takes_part<P: genesis_mesh::state::Part<Blog>>() {}

fn take() {
    takes_part::<String>();
}

fn main() {}
