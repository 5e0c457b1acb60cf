//! Functions that can't be tasks or entrypoints.

use genesis_mesh_macros::{entrypoint, task};

#[task]
fn at_once(a: i64) -> Result<i64, String> {
    Ok(a)
}

#[task(retry = 3)]
async fn borrows(text: &str, list: &[u8]) -> Result<usize, String> {
    Ok(text.len() + list.len())
}

#[task]
async fn of_any<T>(value: T, other: impl Clone) -> Result<T, String> {
    Ok(value)
}

struct Agent;

impl Agent {
    #[task]
    async fn method(&self) -> Result<(), String> {
        Ok(())
    }
}

#[task(retry = 0)]
async fn never(a: i64) -> i64 {
    a
}

#[task(retries = 3)]
async fn misspelt(a: i64) -> std::fmt::Result {
    Ok(())
}

#[task(effect = "twice")]
async fn unheard_of(a: i64) -> i64 {
    a
}

#[entrypoint]
async fn without_input(context: genesis_mesh::graph::Context) -> Result<(), String> {
    Ok(())
}

#[entrypoint(retry = 3)]
async fn tried_again(a: i64) -> i64 {
    a
}

#[entrypoint(name = "")]
async fn nameless(a: i64) -> i64 {
    a
}

fn main() {}
