//! How mistakes read, one kind of schema after the other.

use super::*;
use serde_json::json;

#[track_caller]
fn check(schema: Value, value: impl Into<Value>, expected: &str) {
    let schema = Schema::compile(schema).expect("the schema compiles");
    let error = schema.check(&value.into()).expect_err("the value is wrong");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_wrong_type_says_where_what_and_what_was_given() {
    let schema = json!({"type": "object", "properties": {"messages": {"type": "array", "items": {
        "type": "object", "properties": {"role": {"type": "string"}}}}}});
    check(schema, json!({"messages": [{}, {"role": 7}]}), "messages[1].role: expected string, got 7");
    check(json!({"type": "object"}), json!([1, 2]), "expected object, got an array of 2");
    check(
        json!({"properties": {"n": {"type": ["integer", "null"]}}}),
        json!({"n": "x"}),
        "n: expected integer, got \"x\"",
    );
}

#[test]
fn an_unknown_field_is_named_with_the_nearest_and_the_known_ones() {
    let schema =
        json!({"type": "object", "properties": {"topic": {}, "style": {}}, "additionalProperties": false});
    check(
        schema.clone(),
        json!({"topik": 1}),
        "topik: unknown field, perhaps `topic` is meant; known fields: `topic`, `style`",
    );
    check(schema.clone(), json!({"zzz": 1}), "zzz: unknown field; known fields: `topic`, `style`");
    check(schema, json!({"a b\"": 1}), "[\"a b\\\"\"]: unknown field; known fields: `topic`, `style`");
}

#[test]
fn every_problem_is_listed_up_to_a_bound() {
    let schema = json!({"type": "object", "required": ["a", "b"]});
    check(schema, json!({}), "a: this field is required; b: this field is required");
    let many: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let schema = Schema::compile(json!({"type": "object", "required": many})).expect("compiles");
    assert_eq!(schema.check(&json!({})).expect_err("wrong").problems.len(), 5);
}

#[test]
fn a_choice_of_fields_wants_exactly_one() {
    let schema = json!({"type": "object", "oneOf": [{"required": ["prompt"]}, {"required": ["messages"]}]});
    check(schema.clone(), json!({}), "one of `prompt`, `messages` is required");
    check(schema, json!({"prompt": 1, "messages": 2}), "give only one of `prompt`, `messages`");
}

#[test]
fn a_tagged_choice_reports_the_branch_of_its_tag() {
    let branch = |tag: &str, field: &str| {
        json!({"type": "object", "properties": {"type": {"type": "string", "const": tag}, field: {"type": "string"}},
            "required": ["type", field], "additionalProperties": false})
    };
    let schema = json!({"properties": {"form": {"oneOf": [branch("text", "a"), branch("regex", "regex")]}}});
    check(schema.clone(), json!({"form": {"type": "regex"}}), "form.regex: this field is required");
    check(
        schema.clone(),
        json!({"form": {"type": "xml"}}),
        "form.type: expected one of \"text\", \"regex\", got \"xml\"",
    );
    check(schema, json!({"form": 3}), "form: expected object, got 3");
}

#[test]
fn a_choice_of_types_names_all_of_them_and_looks_into_the_right_one() {
    let schema = json!({"properties": {"stop": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}}});
    check(schema.clone(), json!({"stop": 4}), "stop: expected string or array, got 4");
    check(schema, json!({"stop": ["a", 4]}), "stop[1]: expected string, got 4");
}

#[test]
fn numbers_and_lengths_say_their_limits() {
    check(json!({"minimum": 1}), json!(0), "must be at least 1, got 0");
    check(json!({"exclusiveMinimum": 0.0}), json!(0), "must be greater than 0.0, got 0");
    check(json!({"maxLength": 2}), json!("abc"), "must have at most 2 characters, got 3");
    check(
        json!({"enum": ["a", "b"]}),
        json!("x".repeat(99)),
        &format!("expected one of \"a\", \"b\", got \"{}…\"", "x".repeat(40)),
    );
}

#[test]
fn a_bad_schema_or_one_that_must_be_fetched_does_not_compile() {
    assert!(Schema::compile(json!({"type": "strng"})).is_err());
    assert!(Schema::compile(json!({"$ref": "https://example.com/schema.json"})).is_err());
    assert!(Schema::compile(json!(7)).is_err());
}

fn problems_of(schema: Value, value: &Value) -> Vec<InputProblem> {
    let schema = Schema::compile(schema).expect("the schema compiles");
    schema.check(value).expect_err("the value is wrong").problems
}

fn fields(count: usize) -> Value {
    (0..count).map(|n| (format!("f{n}"), json!(0))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn many_unknown_fields_are_described_up_to_the_bound_only() {
    let schema = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false});
    let compiled = Schema::compile(schema.clone()).expect("compiles");
    let value = fields(8_000);
    let described: Vec<usize> = compiled
        .validator
        .iter_errors(&value)
        .map(|error| describe::problems(&schema, &value, &error).len())
        .collect();
    assert_eq!(described, [5]);
    let problems = problems_of(schema, &value);
    assert_eq!(
        problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(),
        ["f0", "f1", "f2", "f3", "f4"]
    );
}

#[test]
fn a_branch_with_many_wrong_items_is_described_up_to_the_bound_only() {
    let schema = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    let compiled = Schema::compile(schema.clone()).expect("compiles");
    let value = json!(vec![7; 1_000]);
    let error = compiled.validator.iter_errors(&value).next().expect("wrong");
    assert_eq!(describe::problems(&schema, &value, &error).len(), 5);
}

#[test]
fn the_tags_of_other_items_are_not_repeated() {
    let branch = |tag: &str| json!({"items": {"properties": {"type": {"const": tag}}}});
    let schema = json!({"anyOf": [branch("a"), branch("b")]});
    let value = json!(vec![json!({"type": "x"}); 1_000]);
    check(schema, value, "[0].type: expected one of \"a\", \"b\", got \"x\"");
}

#[test]
fn a_wrong_value_that_is_very_large_is_one_problem_at_its_largest_place() {
    let schema =
        json!({"properties": {"messages": {"items": {"required": ["role"]}}, "n": {"type": "integer"}}});
    let told = |found: usize| {
        format!(
            "not valid, and too large to say why: there are {found} values here, and mistakes are looked for in \
             up to 8192"
        )
    };
    let at = |path: &str, found| [InputProblem { path: path.to_owned(), message: told(found) }];
    let many = json!({"messages": vec![json!({}); 60_000]});
    assert_eq!(problems_of(schema.clone(), &many), at("messages", 60_001));
    let nested = json!({"n": "x", "messages": [1, {"calls": [vec![0; 60_000]]}]});
    assert_eq!(problems_of(schema.clone(), &nested), at("messages[1].calls", 60_002));
    let mut spread = fields(60_000);
    spread["n"] = json!("x");
    assert_eq!(problems_of(schema, &spread), at("", 60_002));
}

#[test]
fn the_size_bound_counts_every_value_and_leaves_valid_values_alone() {
    let schema = json!({"items": {"type": "integer"}});
    let mut items = vec![json!(1); size::VALUES_MAX - 1];
    items[0] = json!("x");
    let problems = problems_of(schema.clone(), &items.clone().into());
    assert_eq!(problems[0].to_string(), "[0]: expected integer, got \"x\"");
    items.push(json!(1));
    assert_eq!(problems_of(schema.clone(), &items.clone().into())[0].path, "");
    items[0] = json!(1);
    assert_eq!(Schema::compile(schema).expect("compiles").check(&items.into()), Ok(()));
}

#[test]
fn a_long_name_is_cut_wherever_it_is_told() {
    let long = "x".repeat(900_000);
    let cut = format!("[\"{}…\"]", "x".repeat(40));
    let value = json!({long.clone(): 1});
    check(
        json!({"properties": {"topic": {}}, "additionalProperties": false}),
        value.clone(),
        &format!("{cut}: unknown field; known fields: `topic`"),
    );
    check(
        json!({"additionalProperties": {"type": "string"}}),
        value.clone(),
        &format!("{cut}: expected string, got 1"),
    );
    let name = problems_of(json!({"propertyNames": {"maxLength": 3}}), &value);
    assert!(name[0].to_string().len() < 2_000, "{}", name[0].to_string().len());
    let whole = "x".repeat(40);
    check(
        json!({"properties": {"a": {}}, "additionalProperties": false}),
        json!({whole.clone(): 1}),
        &format!("{whole}: unknown field; known fields: `a`"),
    );
}
