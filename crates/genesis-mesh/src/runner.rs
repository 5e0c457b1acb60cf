//! The runner: accepts runs, claims them, drives them to their ends, and shows their logs.
//!
//! Owns: the tasks that drive runs, the loops that claim and keep leases, and the tails of logs that are read here.
//! Never: decides what is kept together; `writer.rs` does. Knows no protocol.
//! Flow: `Mesh::submit` has a run accepted; `drive.rs` does its work and commits what it tells, under its lease;
//! `reader.rs` follows its log from any cursor.

mod options;
mod error;
mod spec;
mod pages;
mod feed;
mod feeds;
mod observed;
mod tasks;
mod history;
mod hub;
mod follow;
mod writer;
mod leased;
mod job;
mod answer;
mod graph;
mod drive;
mod reader;
mod submit;
mod work;

pub use error::{LogError, WorksOnce};
pub use observed::RunObserver;
pub use options::RunnerOptions;
pub use reader::RunReader;
pub use spec::{Ask, named_thread, thread_label, thread_name};
pub use submit::{Submission, Submitted};

pub(crate) use hub::Hub;
pub(crate) use reader::{open, read};
pub(crate) use spec::own_thread;
pub(crate) use submit::submit;
pub(crate) use work::{cancel, work};
