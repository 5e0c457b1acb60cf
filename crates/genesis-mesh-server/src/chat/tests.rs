//! The contract of a chat body compiles.

use super::*;

#[test]
fn the_schema_of_the_body_compiles() {
    assert!(Schema::compile(ChatBody::json_schema()).is_ok());
}
