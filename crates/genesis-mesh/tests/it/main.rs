//! The mesh from outside: setup finds every mistake, runs tell what their model says.

mod setup;
mod runs;
mod probe;
