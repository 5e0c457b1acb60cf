//! Attributes that say nothing; all are told at once.

use genesis_mesh_macros::State;

#[derive(State, Clone, Default)]
struct Blog {
    #[reduce(apend)]
    log: Vec<String>,
    #[reduce]
    words: u64,
    #[channel(ephemral)]
    scratch: u8,
    #[channel(topic, guard = true)]
    topics: Vec<u8>,
    #[channel(topic(all))]
    more: Vec<u8>,
    #[reduce(append)]
    #[channel(any)]
    both: Vec<u8>,
    #[serde(with = "hex")]
    coded: Vec<u8>,
}

fn main() {}
