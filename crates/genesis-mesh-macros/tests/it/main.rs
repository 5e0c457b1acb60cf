//! What the macros say of mistakes. What they make is tested in genesis-mesh, which has what it names.

mod errors;
