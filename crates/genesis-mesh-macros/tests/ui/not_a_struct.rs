//! States that are no structs with named fields.

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
