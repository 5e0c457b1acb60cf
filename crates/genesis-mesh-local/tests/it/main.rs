//! The integration tests of the engine, in one binary.
//!
//! Owns: tests that need a real model, or more than one module.
//! Never: reaches the network; the model is the file that `GENESIS_MESH_TEST_MODEL` names.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod real_model;
mod model;
mod answers;
mod going_on;
mod hostile_models;
mod inspect;
mod tokenizer;
mod template;
mod grammar;
mod tools;
