//! Reducers on fields of a type that they do not take.

extern crate self as genesis_mesh;
#[path = "mesh/names.rs"]
mod names;
pub use names::*;

use genesis_mesh_macros::State;

#[derive(State, Clone, Default)]
struct Blog {
    #[reduce(append)]
    words: u64,
    #[reduce(messages)]
    chat: Vec<String>,
    #[reduce(join)]
    text: String,
    #[reduce(missing)]
    other: String,
}

fn join(a: &str, b: &str) -> String {
    format!("{a}{b}")
}

fn main() {}
