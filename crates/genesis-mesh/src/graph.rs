//! Graphs: agents as nodes and edges over typed state, with LangGraph's semantics.
//!
//! Owns: the builder with its typed nodes, the runner over the pure machine, streams, threads, functions.
//! Never: knows a protocol; a surface starts runs and encodes what they tell.
//! Flow: `Graph::builder` gives a [`Graph`], `Graph::run` a [`RunRequest`], which ends as an [`Outcome`].

mod policy;
mod command;
mod error;
mod output;
mod input;
mod env;
mod cache;
mod keeper;
mod live;
mod context;
mod generate;
mod node;
mod drive;
mod unknown;
mod call;
mod function;
mod subgraph;
mod handle;
mod outcome;
mod stream;
mod start;
mod request;
mod thread;
mod builder;
mod nested;

pub use builder::{GraphBuilder, NodeSettings};
pub use command::{Command, Goto, IntoGotos, Send};
pub use env::{Ambient, Durability, SystemAmbient};
pub(crate) use env::{Log, next_id};
pub use error::{GraphRunError, NodeError};
pub use function::{Final, IntoFinal};
pub use generate::{Answer, MessageWriter};
pub use genesis_mesh_core::graph::{END, GraphError, GraphProblem, Picture, START};
pub use genesis_mesh_core::run::{
    CheckpointId, Failure, Interrupt, InterruptId, Namespace, TaskId, TaskInput,
};
pub use genesis_mesh_core::store::{HistoryQuery, Store};
pub use genesis_mesh_core::stream::{Event, EventKind, StreamMode, StreamModes, StreamPart};
pub use handle::{Graph, NoState, RECURSION_LIMIT};
pub use input::{NodeInput, Sent};
pub use live::{Context, HandledFailure};
pub use node::{Fallible, IntoNode, IntoRoute};
pub use outcome::Outcome;
pub use output::{IntoOutput, Output};
pub use policy::{CacheKey, CachePolicy, CallOptions, Effect, RetryPolicy, TimeoutPolicy};
pub use request::{DrainHandle, RunRequest};
pub use start::{InputForm, IntoInput};
pub use stream::{EventStream, GraphStream};
pub use subgraph::Keep;
pub use thread::{GraphThread, INPUT, StateChange, StateSnapshot};
