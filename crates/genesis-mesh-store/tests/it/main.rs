//! Tests of the stores with processes of their own.
//!
//! Owns: nothing but the modules of this test.

#![expect(clippy::expect_used, reason = "a test says what it expects by panicking")]

mod processes;
