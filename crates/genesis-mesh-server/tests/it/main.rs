//! The server over real sockets on port 0: streams, cancels, mistakes, hostile clients, and the stop.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod puppet;
mod desk;
mod talk;
mod refusals;
mod frames;
mod hostile;
mod stop;
mod access;
mod logs;
mod log_commands;
mod limits;
mod tls;
mod chat;
mod pages;
mod binary;
mod config;
mod observe;
mod observe_logs;
mod observe_spans;
mod testing;
mod run;
mod terminal;
mod models;
