//! Attacks: runs that are dropped, stores that fail, code that panics, threads that are pulled about.

#![expect(
    clippy::panic,
    reason = "code that panics is one of the attacks, and a test says what it expects by panicking"
)]

mod zoo;
mod stops;
mod answers;
mod panics;
mod past;
mod load;
mod hostile;
mod told;
mod effects;
