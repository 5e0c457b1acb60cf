//! The integration tests of the models, in one binary.
//!
//! Owns: tests of the OpenAI-compatible upstream against servers on this machine, with every fault that we know.
//! Never: reaches the network.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that can't go on fails")]

mod upstream;
mod exchanges;
mod faults;
mod retries;
mod leaving;
