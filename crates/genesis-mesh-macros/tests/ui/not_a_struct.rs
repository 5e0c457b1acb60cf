//! States that are no structs with named fields.

extern crate genesis_mesh_core as genesis_mesh;
use genesis_mesh_macros::State;

#[derive(State, Clone, Default)]
enum Choice {
    #[default]
    A,
}

#[derive(State, Clone, Default)]
struct Pair(u8, u8);

#[derive(State, Clone, Default)]
struct Generic<T> {
    value: T,
}

fn main() {}
