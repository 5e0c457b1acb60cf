//! The derives: states and their parts.

mod part;
mod state;
