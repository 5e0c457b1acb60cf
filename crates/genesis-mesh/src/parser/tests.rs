//! The four forms of answers, and answers that are in none.

use super::*;
use serde_json::json;

#[track_caller]
fn parse(parser: &Parser, answer: &str) -> Result<Value, RunError> {
    parser.compile().expect("the parser compiles").parse(answer)
}

#[test]
fn lines_lose_their_list_markers_and_empty_ones_go() {
    let answer = "Ideas\n\n- one\n * two \n3. three\n10) four\n-five\n1.5 litres\r\n  \n";
    assert_eq!(
        parse(&Parser::lines(), answer),
        Ok(json!(["Ideas", "one", "two", "three", "four", "-five", "1.5 litres"]))
    );
    assert_eq!(parse(&Parser::lines(), ""), Ok(json!([])));
}

#[test]
fn json_is_read_with_and_without_a_code_fence() {
    for answer in [r#"{"a":1}"#, " {\"a\": 1}\n", "```json\n{\"a\":1}\n```", "```\n{\"a\":1}```"] {
        assert_eq!(parse(&Parser::json(), answer), Ok(json!({"a": 1})), "{answer}");
    }
}

#[test]
fn json_that_is_cut_or_breaks_the_schema_is_an_error_that_says_where() {
    let error = parse(&Parser::json(), r#"{"a":"#).expect_err("cut");
    assert_eq!(error.code(), "output_invalid");
    let parser = Parser::json_schema(json!({"properties": {"a": {"type": "integer"}}}));
    let error = parse(&parser, r#"{"a":"x"}"#).expect_err("wrong type");
    assert_eq!(error.to_string(), "the answer is no JSON: a: expected integer, got \"x\"");
}

#[test]
fn a_match_gives_the_group_the_groups_or_the_named_ones() {
    assert_eq!(parse(&Parser::regex(r"\d+"), "score 42!"), Ok(json!("42")));
    assert_eq!(parse(&Parser::regex(r"(\d+)!"), "score 42!"), Ok(json!("42")));
    assert_eq!(parse(&Parser::regex(r"(\w+) (\d+)(x)?"), "score 42"), Ok(json!(["score", "42", null])));
    assert_eq!(parse(&Parser::regex(r"(?<n>\d+)"), "score 42"), Ok(json!({"n": "42"})));
    let error = parse(&Parser::regex(r"\d+"), "none").expect_err("no match");
    assert_eq!(error.to_string(), r"the answer is no match: nothing matches `\d+`");
}

#[test]
fn a_bad_pattern_or_schema_does_not_compile() {
    assert!(Parser::regex("(").compile().is_err());
    assert!(Parser::json_schema(json!({"type": 3})).compile().is_err());
}

#[test]
fn a_json_parser_holds_the_model_to_its_schema() {
    let schema = json!({"type": "object"});
    let ready = Parser::json_schema(schema.clone()).compile().expect("compiles");
    assert_eq!(ready.grammar(), Some(Grammar::JsonSchema(schema)));
    assert_eq!(Parser::lines().compile().expect("compiles").grammar(), None);
}
