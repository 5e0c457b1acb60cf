//! Charter: to be filled.
