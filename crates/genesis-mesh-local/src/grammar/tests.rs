//! Random walks under a grammar end in answers that have its form; hostile grammars end soon.

use super::{GrammarError, GrammarFactory, GrammarState};
use crate::tokenizer::Tokenizer;
use crate::tokenizer::tests::byte_level_tokenizer;
use genesis_mesh_core::Grammar;
use serde_json::{Value, json};
use std::sync::Arc;

fn factory() -> (GrammarFactory, Arc<Tokenizer>) {
    let tokenizer = Arc::new(byte_level_tokenizer());
    (GrammarFactory::new(Arc::clone(&tokenizer)), tokenizer)
}

fn compile(grammar: &Grammar) -> Result<GrammarState, GrammarError> {
    factory().0.compile(grammar)
}

fn allowed(state: &mut GrammarState) -> Vec<u32> {
    let words = state.mask().expect("has a mask").to_vec();
    assert_eq!(words.len(), 9, "one bit for each of the 271 tokens");
    (0..words.len() as u32 * 32).filter(|id| words[*id as usize / 32] >> (id % 32) & 1 == 1).collect()
}

/// Walks from token to token at random, until the answer is finished, and gives the answer.
///
/// Four times of ten it takes a token that ends something, if one is allowed, as strings without a
/// bound would go on for long otherwise.
fn random_walk(state: &mut GrammarState, tokenizer: &Tokenizer, seed: u64) -> String {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as usize % below
    };
    let mut bytes = Vec::new();
    for _ in 0..5_000 {
        if state.is_finished() {
            return String::from_utf8(bytes).expect("UTF-8");
        }
        let mut choice = allowed(state);
        let closes =
            |id: &u32| tokenizer.is_end(*id) || matches!(tokenizer.token_bytes(*id), b"\"" | b"}" | b"]");
        if next(10) < 4 && choice.iter().any(closes) {
            choice.retain(closes);
        }
        let token = choice[next(choice.len())];
        state.commit(token).expect("the mask allowed it");
        bytes.extend_from_slice(tokenizer.token_bytes(token));
    }
    panic!("the answer has no end: {}", String::from_utf8_lossy(&bytes));
}

fn schemas() -> Vec<Value> {
    let person = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 12 },
            "role": { "enum": ["admin", "user", null, 7, "say \"hi\""] },
            "age": { "type": "integer", "minimum": 0, "maximum": 120 },
            "tags": { "type": "array", "items": { "enum": ["a", "b", "c"] }, "minItems": 1, "maxItems": 4 },
            "address": {
                "type": "object",
                "properties": {
                    "zip": { "type": "string", "pattern": "^[0-9]{5}$" },
                    "geo": { "type": "array", "prefixItems": [{ "type": "number" }, { "type": "number" }], "items": false, "minItems": 2 },
                },
                "required": ["zip"],
                "additionalProperties": false,
            },
        },
        "required": ["name", "role", "tags", "address"],
        "additionalProperties": false,
    });
    let tree = json!({
        "$defs": { "node": {
            "type": "object",
            "properties": { "value": { "type": "integer" }, "children": { "type": "array", "items": { "$ref": "#/$defs/node" }, "maxItems": 2 } },
            "required": ["value"],
            "additionalProperties": false,
        } },
        "$ref": "#/$defs/node",
    });
    let choice = json!({ "anyOf": [
        { "type": "object", "properties": { "kind": { "const": "circle" }, "radius": { "type": "number", "exclusiveMinimum": 0 } }, "required": ["kind", "radius"], "additionalProperties": false },
        { "type": "object", "properties": { "kind": { "const": "day" }, "on": { "type": "string", "format": "date" } }, "required": ["kind", "on"], "additionalProperties": false },
        { "type": "array", "items": { "type": "boolean" }, "minItems": 2, "maxItems": 3 },
        { "type": "null" },
    ] });
    let open = json!({ "type": "object", "properties": { "é": { "type": "string" } }, "additionalProperties": { "type": "integer" } });
    vec![person, tree, choice, open, json!({ "type": "string", "maxLength": 20 }), json!(true)]
}

#[test]
fn every_random_walk_under_a_schema_is_valid_json_without_loose_whitespace() {
    let (factory, tokenizer) = factory();
    for schema in schemas() {
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        for seed in 1..=60 {
            let mut state = factory.compile(&Grammar::JsonSchema(schema.clone())).expect("compiles");
            let text = random_walk(&mut state, &tokenizer, seed);
            let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert!(validator.is_valid(&value), "{text} against {schema}");
            assert!(text.len() <= value.to_string().len() * 6 + 64, "{text}");
        }
    }
}

#[test]
fn a_json_object_is_always_an_object() {
    let (factory, tokenizer) = factory();
    for seed in 1..=60 {
        let mut state = factory.compile(&Grammar::JsonObject).expect("compiles");
        let text = random_walk(&mut state, &tokenizer, seed);
        assert!(serde_json::from_str::<Value>(&text).expect(&text).is_object());
    }
}

#[test]
fn whitespace_stands_at_most_once_after_a_comma_or_colon() {
    let mut state = compile(&Grammar::JsonSchema(json!({
        "type": "array", "items": { "enum": [1] }, "minItems": 2, "maxItems": 2,
    })))
    .expect("compiles");
    let id_of = |text: &str| byte_level_tokenizer().encode(text, false).expect("encodes")[0];
    for (text, next) in [("[", "1"), ("1", ","), (",", " 1"), (" ", "1")] {
        state.commit(id_of(text)).expect("allowed");
        let expected: Vec<u32> = next.chars().map(|c| id_of(&c.to_string())).collect();
        let mut found = allowed(&mut state);
        found.sort_by_key(|id| expected.iter().position(|other| other == id));
        assert_eq!(found, expected, "after {text:?}");
    }
}

#[test]
fn end_tokens_are_allowed_exactly_where_the_answer_may_end() {
    let (factory, tokenizer) = factory();
    let mut state = factory.compile(&Grammar::Regex("ab+".to_owned())).expect("compiles");
    let byte = |text: &str| tokenizer.encode(text, false).expect("encodes")[0];
    assert_eq!(allowed(&mut state), [byte("a")]);
    assert_eq!(state.commit(2), Err(GrammarError::NotAllowed { token: 2 }));
    let mut state = factory.compile(&Grammar::Regex("ab+".to_owned())).expect("compiles");
    state.commit(byte("a")).expect("allowed");
    assert_eq!(allowed(&mut state), [byte("b")]);
    state.commit(byte("b")).expect("allowed");
    assert_eq!(allowed(&mut state), [0, 2, byte("b")], "both end tokens of the model");
    assert!(!state.is_finished());
    state.commit(0).expect("may end");
    assert!(state.is_finished());
    assert_eq!(allowed(&mut state), [0, 2]);
}

#[test]
fn an_answer_that_nothing_can_follow_is_finished_without_an_end_token() {
    let (factory, tokenizer) = factory();
    let mut state = factory.compile(&Grammar::Regex("[0-9]{2}".to_owned())).expect("compiles");
    for digit in tokenizer.encode("42", false).expect("encodes") {
        assert!(!state.is_finished());
        state.commit(digit).expect("allowed");
    }
    assert!(state.is_finished());
    assert_eq!(allowed(&mut state), [0, 2]);
    state.commit(2).expect("an end token may still come");
    assert!(state.commit(5).is_err());
}

#[test]
fn a_token_that_is_not_allowed_is_refused_by_number() {
    let mut state = compile(&Grammar::JsonObject).expect("compiles");
    for token in [70, 1, 266, 100_000, u32::MAX] {
        let error = state.commit(token).expect_err("not an object");
        assert!(
            matches!(error, GrammarError::NotAllowed { .. } | GrammarError::TooComplex { .. }),
            "{error}"
        );
        state = compile(&Grammar::JsonObject).expect("compiles");
    }
}

#[test]
fn lark_grammars_are_followed() {
    let (factory, tokenizer) = factory();
    let lark = "start: greeting (\", \" NAME)+ \"!\"\ngreeting: \"hello\" | \"hi\"\nNAME: /[a-z]{1,5}/\n";
    for seed in 1..=20 {
        let mut state = factory.compile(&Grammar::Lark(lark.to_owned())).expect("compiles");
        let text = random_walk(&mut state, &tokenizer, seed);
        let names = text.strip_prefix("hello, ").or(text.strip_prefix("hi, ")).expect(&text);
        assert!(
            names.strip_suffix('!').expect(&text).split(", ").all(|name| (1..=5).contains(&name.len())),
            "{text}"
        );
    }
}

#[test]
fn what_cannot_be_followed_is_named() {
    let cases = [
        (Grammar::JsonSchema(json!({ "type": "array", "uniqueItems": true })), "uniqueItems"),
        (Grammar::JsonSchema(json!({ "type": "object", "properties": { "a": { "not": {} } } })), "not"),
        (Grammar::JsonSchema(json!({ "type": "text" })), "text"),
        (Grammar::JsonSchema(json!({ "$ref": "https://example.com/schema" })), "example.com"),
        (Grammar::JsonSchema(json!({ "oneOf": [{ "type": "object" }, { "type": "object" }] })), "oneOf"),
        (Grammar::JsonSchema(json!({ "type": "string", "format": "uri-of-mine" })), "uri-of-mine"),
        (Grammar::JsonSchema(json!({ "type": "integer", "minimum": 5, "maximum": 1 })), "minimum"),
        (Grammar::JsonSchema(json!(false)), "false"),
        (Grammar::JsonSchema(json!([])), "object"),
        (Grammar::Lark("start: missing".to_owned()), "missing"),
        (Grammar::Lark(String::new()), "start"),
        (Grammar::Regex("(".to_owned()), "unclosed"),
    ];
    for (grammar, named) in cases {
        let error = compile(&grammar).expect_err(named);
        assert_eq!(error.code(), "grammar_unsupported", "{error}");
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
}

#[test]
fn numbers_end_before_they_are_too_long_to_read() {
    let (factory, tokenizer) = factory();
    let schema = Grammar::JsonSchema(json!({ "type": "array", "items": { "type": "number" } }));
    let after = |text: &str| {
        let mut state = factory.compile(&schema).expect("compiles");
        for token in tokenizer.encode(text, false).expect("encodes") {
            state.commit(token).expect("JSON");
        }
        let allowed = allowed(&mut state);
        allowed
            .iter()
            .flat_map(|id| tokenizer.token_bytes(*id))
            .map(|byte| char::from(*byte))
            .collect::<String>()
    };
    assert_eq!(after("[12345678901234567890"), ",.E]e");
    assert_eq!(after("[1.12345678901234567890"), ",E]e");
    assert_eq!(after("[1.5e-3"), ",0123456789]");
    assert_eq!(after("[1.5e-30"), ",]");
    assert_eq!(after("[1.5e-30,2"), ",.0123456789E]e");
}

#[test]
fn a_schema_that_needs_a_longer_number_gets_it() {
    let (factory, tokenizer) = factory();
    let long = "123456789012345678901234567890";
    let schema: Value = serde_json::from_str(&format!("{{\"enum\": [\"{long}\", true]}}")).expect("JSON");
    let mut state = factory.compile(&Grammar::JsonSchema(schema)).expect("compiles");
    for token in tokenizer.encode(&format!("\"{long}\""), false).expect("encodes") {
        state.mask().expect("has a mask");
        state.commit(token).expect("digits of a string are not counted");
    }
    let schema = json!({ "type": "integer", "minimum": 1e24, "maximum": 9e24 });
    let mut state = factory.compile(&Grammar::JsonSchema(schema)).expect("compiles");
    for _ in 0..25 {
        let token = allowed(&mut state)[0];
        state.commit(token).expect("allowed");
    }
    assert!(state.is_finished() || allowed(&mut state).contains(&2));
}

#[test]
fn a_schema_cannot_change_how_answers_are_spaced() {
    let schema = json!({ "type": "object", "x-guidance": { "whitespace_flexible": true }, "additionalProperties": false });
    let mut state = compile(&Grammar::JsonSchema(schema)).expect("compiles");
    let id_of = |text: &str| byte_level_tokenizer().encode(text, false).expect("encodes")[0];
    state.commit(id_of("{")).expect("allowed");
    assert_eq!(allowed(&mut state), [id_of("}")]);
}

#[test]
fn grammars_that_are_too_large_or_too_deep_are_refused() {
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({ "type": "array", "items": [deep] });
    }
    assert_eq!(compile(&Grammar::JsonSchema(deep)).expect_err("deep").code(), "grammar_too_deep");
    let large = "x".repeat(70_000);
    for grammar in [
        Grammar::JsonSchema(json!({ "const": large })),
        Grammar::Lark(large.clone()),
        Grammar::Regex(large.clone()),
    ] {
        assert_eq!(compile(&grammar).expect_err("large").code(), "grammar_too_large");
    }
}

/// Grammars that try to take the stack, the memory or the time: each must compile or fail soon, and each
/// step after that as well.
#[test]
fn hostile_grammars_end_in_an_answer_or_an_error() {
    let mut nested = json!({ "type": "string" });
    for _ in 0..60 {
        nested = json!({ "type": "object", "properties": { "a": nested } });
    }
    let properties: serde_json::Map<String, Value> = (0..3_000)
        .map(|index| (format!("p{index}"), json!({ "type": "string", "pattern": "^(a|b)*c{1,50}$" })))
        .collect();
    let hostile = [
        Grammar::JsonSchema(nested),
        Grammar::JsonSchema(json!({ "$ref": "#" })),
        Grammar::JsonSchema(json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] })),
        Grammar::JsonSchema(
            json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
        ),
        Grammar::JsonSchema(json!({ "type": "array", "items": { "$ref": "#" }, "minItems": 1 })),
        Grammar::JsonSchema(json!({ "type": "array", "minItems": 1_000_000_000_u64 })),
        Grammar::JsonSchema(json!({ "type": "array", "minItems": 1e300, "maxItems": -1 })),
        Grammar::JsonSchema(json!({ "type": "string", "minLength": 1_000_000_000_u64 })),
        Grammar::JsonSchema(
            json!({ "type": "string", "pattern": "((((a{1,100}){1,100}){1,100}){1,100}){1,100}" }),
        ),
        Grammar::JsonSchema(json!({ "type": "string", "pattern": "(a?){5000}a{5000}" })),
        Grammar::JsonSchema(
            json!({ "type": "integer", "minimum": -1e308, "maximum": 1e308, "multipleOf": 1e-300 }),
        ),
        Grammar::JsonSchema(json!({ "type": "object", "properties": properties })),
        Grammar::Lark("start: start start | \"a\" | \"\"".to_owned()),
        Grammar::Lark(format!("start: {}\"a\"{}", "(".repeat(30_000), ")".repeat(30_000))),
        Grammar::Lark(format!("start: {}\n%ignore /./", "\"a\" | ".repeat(10_000) + "\"b\"")),
        Grammar::Lark("start: <[0-4]>".to_owned()),
        Grammar::Regex("(".repeat(30_000) + &")".repeat(30_000)),
        Grammar::Regex("((a*)*)*b".to_owned()),
        Grammar::Regex("a|".repeat(30_000)),
        Grammar::Regex("[^a]*a[^b]{5000}".to_owned()),
        Grammar::Regex("\\p{L}{1,1000}\\p{N}{1,1000}".repeat(20)),
    ];
    let (factory, _) = factory();
    for grammar in hostile {
        let shown = format!("{grammar:?}").chars().take(80).collect::<String>();
        let started = std::time::Instant::now();
        let mut steps = 0;
        if let Ok(mut state) = factory.compile(&grammar) {
            for _ in 0..50 {
                let Ok(words) = state.mask() else { break };
                let set = words.iter().enumerate().find(|(_, word)| **word != 0).expect("never empty");
                let token = set.0 as u32 * 32 + set.1.trailing_zeros();
                if state.is_finished() || state.commit(token).is_err() {
                    break;
                }
                steps += 1;
            }
        }
        eprintln!("{:>6} ms, {steps} steps: {shown}", started.elapsed().as_millis());
    }
}

#[test]
fn states_move_between_threads_and_factories_are_shared() {
    fn check<T: Send>() {}
    fn check_sync<T: Send + Sync>() {}
    check::<GrammarState>();
    check_sync::<GrammarFactory>();
}

/// The forms of a chain of `count` definitions, each of which leads to the next.
fn chains(count: usize) -> Vec<Grammar> {
    let schema = |link: &dyn Fn(Value) -> Value| {
        let link_to = |index: usize| link(json!({ "$ref": format!("#/$defs/d{}", index + 1) }));
        let mut defs: serde_json::Map<String, Value> =
            (0..count).map(|index| (format!("d{index}"), link_to(index))).collect();
        defs.insert(format!("d{count}"), json!({ "type": "string" }));
        Grammar::JsonSchema(json!({ "$defs": defs, "$ref": "#/$defs/d0" }))
    };
    let lark = |head: &str, link: &dyn Fn(usize) -> String| {
        let links: String = (0..count).map(|index| format!("{}\n", link(index))).collect();
        Grammar::Lark(format!("start: {head}0\n{links}{head}{count}: \"a\"\n"))
    };
    vec![
        schema(&|next| next),
        schema(&|next| json!({ "allOf": [next] })),
        schema(&|next| json!({ "anyOf": [next, { "const": 1 }] })),
        schema(&|next| json!({ "type": "array", "items": next })),
        lark("r", &|index| format!("r{index}: r{}", index + 1)),
        lark("T", &|index| format!("T{index}: T{}", index + 1)),
    ]
}

/// Runs `body` on a stack as the threads of an engine have it.
fn on_an_ordinary_stack<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(body).expect("a thread");
    thread.join().expect("no panic")
}

#[test]
fn chains_that_would_take_the_stack_are_refused_by_their_length() {
    on_an_ordinary_stack(|| {
        let (factory, _) = factory();
        for count in [260, 700] {
            for grammar in chains(count) {
                let error = factory.compile(&grammar).expect_err("too long");
                let code = match grammar {
                    Grammar::Lark(_) if error.code() == "grammar_too_large" => "grammar_too_large",
                    Grammar::Lark(_) => "grammar_too_many",
                    _ => "grammar_too_deep",
                };
                assert_eq!(error.code(), code, "{error}");
            }
        }
    });
}

#[test]
fn the_longest_chains_run_on_an_ordinary_stack() {
    on_an_ordinary_stack(|| {
        let (factory, tokenizer) = factory();
        // The root and the last definition are levels too; an array and its items are two.
        let longest = [126, 62, 62, 62, 254, 254];
        for (kind, count) in longest.into_iter().enumerate() {
            let grammar = chains(count).swap_remove(kind);
            let mut state = factory.compile(&grammar).unwrap_or_else(|error| panic!("{kind}: {error}"));
            // Empty arrays end the walk down the chain, so it goes where it can for a while.
            for _ in 0..200 {
                let choice = allowed(&mut state);
                if state.is_finished() {
                    break;
                }
                let opens = choice.iter().find(|id| tokenizer.token_bytes(**id) == b"[");
                state.commit(opens.copied().unwrap_or(choice[0])).expect("allowed");
            }
            drop(state);
            let beyond = if kind < 4 { count + 3 } else { count + 1 };
            let error = factory.compile(&chains(beyond).swap_remove(kind)).expect_err("one more");
            assert!(matches!(error, GrammarError::TooDeep { .. } | GrammarError::TooMany { .. }), "{error}");
        }
    });
}

#[test]
fn nesting_inside_a_text_does_not_take_the_stack() {
    on_an_ordinary_stack(|| {
        let (factory, _) = factory();
        for (open, close) in [("(", ")"), ("[", "]")] {
            let text = format!("start: {}\"a\"{}", open.repeat(8_000), close.repeat(8_000));
            let _ = factory.compile(&Grammar::Lark(text));
        }
        let chain: Vec<String> =
            (0..380).map(|index| format!("\"d{index}\":{{\"$ref\":\"#/$defs/d{}\"}}", index + 1)).collect();
        let inline = format!("{{\"$defs\":{{{},\"d380\":{{}}}},\"$ref\":\"#/$defs/d0\"}}", chain.join(","));
        let grammar = Grammar::Lark(format!("start: %json {inline}"));
        let mut state = factory.compile(&grammar).expect("a chain within a text is bounded by the text");
        let token = allowed(&mut state)[0];
        state.commit(token).expect("allowed");
    });
}

#[test]
fn recursion_and_wide_schemas_are_not_depth() {
    let properties: serde_json::Map<String, Value> =
        (0..200).map(|index| (format!("p{index}"), json!({ "$ref": "#/$defs/node" }))).collect();
    let wide = json!({
        "$defs": { "node": { "anyOf": [{ "type": "array", "items": { "$ref": "#/$defs/node" } }, { "$ref": "#" }] } },
        "type": "object",
        "properties": properties,
    });
    compile(&Grammar::JsonSchema(wide)).expect("compiles");
}

#[test]
fn an_ambiguous_grammar_ends_as_too_complex() {
    let (factory, tokenizer) = factory();
    let text = "start: e\ne: e e e e e | e e e e | e e e | e e | \"a\" | \"b\" | \" \"";
    let a = tokenizer.encode("a", false).expect("encodes")[0];
    let mut state = match factory.compile(&Grammar::Lark(text.to_owned())) {
        Ok(state) => state,
        Err(error) => return assert_eq!(error.code(), "grammar_unsupported", "{error}"),
    };
    let error = (0..600).find_map(|_| state.mask().err().or_else(|| state.commit(a).err()));
    assert_eq!(error.expect("a bound").code(), "grammar_too_complex");
}

#[test]
fn the_text_and_the_work_of_a_compile_are_bounded() {
    let lark = |text: String| Grammar::Lark(text);
    let optional = |count: usize| "a?".repeat(count);
    let terminals = format!("start: B\nA: {}\nB: {}", "\"a\"? ".repeat(100), "A ".repeat(100));
    let cases = [
        (Grammar::Regex(optional(4_097)), "grammar_too_large"),
        (Grammar::Regex(optional(4_000)), "grammar_unsupported"),
        (lark(format!("start: /{}/", optional(8_200))), "grammar_too_large"),
        (lark(format!("start: /{}/", optional(8_000))), "grammar_unsupported"),
        (lark(terminals), "grammar_unsupported"),
        (Grammar::JsonSchema(json!({ "type": "string", "pattern": optional(4_097) })), "grammar_too_large"),
        (
            Grammar::JsonSchema(json!({ "patternProperties": { (optional(4_097)): { "type": "null" } } })),
            "grammar_too_large",
        ),
    ];
    for (grammar, code) in cases {
        assert_eq!(compile(&grammar).expect_err(code).code(), code);
    }
    let keywords: Vec<String> = (1_000..2_600).map(|word| format!("\"{word}\"")).collect();
    compile(&lark(format!("start: {}", keywords.join(" | ")))).expect("words are cheap");
    let numbers: Vec<u32> = (0..9_000).collect();
    compile(&Grammar::JsonSchema(json!({ "enum": numbers }))).expect("numbers are cheap");
}
