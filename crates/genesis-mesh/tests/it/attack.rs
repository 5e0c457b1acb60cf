//! Attacks: runs that are dropped, stores that fail, code that panics, threads that are pulled about.

mod zoo;
mod stops;
mod answers;
mod panics;
mod past;
mod load;
mod hostile;
mod told;
