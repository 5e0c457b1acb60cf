//! States described in data: every rule and kind, overwrites, sharing, messages, and mistakes told at once.

use super::*;
use crate::state::{Channel, ChannelKind, ReduceError, StateCell, overwrite_of};
use serde_json::json;

fn shape(description: &Value) -> Shape {
    DynShape::from_json(description).expect("a description without mistakes")
}

/// Folds the writes of one JSON object into `state`, with ids `new-1`, `new-2`, ….
fn write(shape: &Shape, state: &mut StateCell, update: Value) -> Result<(), ReduceError> {
    let Value::Object(update) = update else { panic!("an object") };
    let update = shape.update_from_json(update).expect("values that fit");
    let mut ids = 0;
    let mut next_id = || {
        ids += 1;
        format!("new-{ids}")
    };
    for mut write in update.writes {
        let channel = shape.channel(write.channel).expect("a channel");
        channel.ops.assign_ids(&mut write.value, &mut next_id);
        shape.fold(state, write.channel, write.value, write.is_overwrite)?;
    }
    Ok(())
}

fn json_of(shape: &Shape, state: &StateCell) -> Value {
    Value::Object(shape.json(state).expect("JSON"))
}

fn dyn_of(state: &StateCell) -> &DynState {
    state.any().downcast_ref().expect("a DynState")
}

/// What a channel holds after `updates` were written to it one after another.
fn folded(key: &Value, updates: &[Value]) -> Value {
    let shape = shape(&json!({"k": key}));
    let mut state = shape.fresh();
    for update in updates {
        write(&shape, &mut state, json!({"k": update})).expect("a write that fits");
    }
    json_of(&shape, &state).get("k").cloned().unwrap_or(Value::Null)
}

fn refusal(key: &Value, updates: &[Value]) -> String {
    let shape = shape(&json!({"k": key}));
    let mut state = shape.fresh();
    let mut results = updates.iter().map(|update| write(&shape, &mut state, json!({"k": update})));
    results.find_map(Result::err).expect("a refusal").reason
}

fn problems(shape: &Shape, update: Value) -> Vec<String> {
    let Value::Object(update) = update else { panic!("an object") };
    shape.update_from_json(update).expect_err("problems").iter().map(ToString::to_string).collect()
}

#[test]
fn each_reducer_folds_as_its_word_says() {
    assert_eq!(folded(&json!({"type": "integer"}), &[json!(1), json!(2)]), json!(2));
    assert_eq!(folded(&json!({"reduce": "append"}), &[json!([1]), json!([2, 3])]), json!([1, 2, 3]));
    assert_eq!(folded(&json!({"reduce": "add"}), &[json!(1), json!(2)]), json!(3));
    assert_eq!(folded(&json!({"reduce": "add"}), &[json!(1), json!(0.5)]), json!(1.5));
    assert_eq!(folded(&json!({"reduce": "add", "type": "string"}), &[json!("a"), json!("b")]), json!("ab"));
    assert_eq!(folded(&json!({"reduce": "add", "type": "array"}), &[json!([1]), json!([2])]), json!([1, 2]));
    assert_eq!(
        folded(&json!({"reduce": "merge"}), &[json!({"a": 1, "b": 1}), json!({"b": 2})]),
        json!({"a": 1, "b": 2})
    );
    assert_eq!(folded(&json!({"reduce": "max"}), &[json!(-3), json!(-1), json!(-2)]), json!(-1));
    assert_eq!(folded(&json!({"reduce": "min"}), &[json!("b"), json!("a"), json!("c")]), json!("a"));
    assert_eq!(folded(&json!({"reduce": "max"}), &[json!([1, 2]), json!([1, 2, 0])]), json!([1, 2, 0]));
}

#[test]
fn channels_that_reduce_begin_with_the_empty_value_of_their_type_and_others_without_one() {
    let shape = shape(&json!({
        "last": {"type": "integer"},
        "log": {"reduce": "append"},
        "chat": {"reduce": "messages"},
        "sum": {"reduce": "add"},
        "float": {"reduce": "add", "type": "number"},
        "text": {"reduce": "add", "type": "string"},
        "map": {"reduce": "merge"},
        "best": {"reduce": "max", "type": "integer"},
        "open": {"reduce": "max"},
        "topic": {"channel": "topic"},
    }));
    let state = shape.fresh();
    let wanted = json!({"log": [], "chat": [], "sum": 0, "float": 0.0, "text": "", "map": {}, "best": 0});
    assert_eq!(json_of(&shape, &state), wanted);
    assert_eq!(dyn_of(&state).to_json(), wanted);
}

#[test]
fn a_type_given_to_max_counts_as_a_written_value() {
    assert_eq!(folded(&json!({"reduce": "max", "type": "integer"}), &[json!(-5)]), json!(0));
    assert_eq!(folded(&json!({"reduce": "max"}), &[json!(-5)]), json!(-5));
}

#[test]
fn the_words_for_channels_give_their_kinds() {
    let kinds = [
        (json!({}), ChannelKind::Last),
        (json!({"channel": "last"}), ChannelKind::Last),
        (json!({"channel": "any"}), ChannelKind::Any),
        (json!({"channel": "after_finish"}), ChannelKind::AfterFinish),
        (json!({"channel": "ephemeral"}), ChannelKind::Ephemeral { guard: true }),
        (json!({"channel": "ephemeral", "guard": false}), ChannelKind::Ephemeral { guard: false }),
        (json!({"channel": "untracked"}), ChannelKind::Untracked { guard: true }),
        (json!({"channel": "untracked", "guard": false}), ChannelKind::Untracked { guard: false }),
        (json!({"channel": "topic"}), ChannelKind::Topic { accumulate: false }),
        (json!({"channel": "topic_accumulate"}), ChannelKind::Topic { accumulate: true }),
        (json!({"reduce": "append"}), ChannelKind::Reduce),
    ];
    for (key, kind) in kinds {
        assert_eq!(shape(&json!({"k": key})).channels()[0].kind, kind, "{key}");
    }
}

#[test]
fn a_topic_takes_items_and_lists_of_items() {
    assert_eq!(
        folded(&json!({"channel": "topic"}), &[json!(1), json!([2, 3]), json!({})]),
        json!([1, 2, 3, {}])
    );
}

#[test]
fn a_cleared_channel_has_no_value_and_takes_writes_again() {
    let shape = shape(&json!({"t": {"channel": "topic"}, "x": {}}));
    let mut state = shape.fresh();
    write(&shape, &mut state, json!({"t": [1], "x": 1})).unwrap();
    shape.clear(&mut state, 0);
    assert_eq!(json_of(&shape, &state), json!({"x": 1}));
    assert_eq!(dyn_of(&state)["t"], Value::Null);
    write(&shape, &mut state, json!({"t": [2]})).unwrap();
    assert_eq!(json_of(&shape, &state), json!({"t": [2], "x": 1}));
}

#[test]
fn both_forms_of_an_overwrite_go_past_the_reducer() {
    let list = json!({"reduce": "append"});
    assert_eq!(folded(&list, &[json!([1]), json!({"__overwrite__": [7]}), json!([8])]), json!([7, 8]));
    assert_eq!(folded(&list, &[json!([1]), json!({"type": "__overwrite__", "value": [7]})]), json!([7]));
    assert_eq!(overwrite_of(json!({"__overwrite__": null})), (Value::Null, true));
    for no_overwrite in [
        json!({"__overwrite__": 1, "x": 2}),
        json!({"type": "__overwrite__"}),
        json!({"type": "other", "value": 1}),
        json!([1]),
    ] {
        assert_eq!(overwrite_of(no_overwrite.clone()), (no_overwrite, false));
    }
}

#[test]
fn a_reducer_of_ones_own_gets_the_value_and_the_update() {
    let shape = DynShape::new()
        .last("x")
        .reduce("longest", |a, b| {
            let length = |value: &Value| {
                value.as_str().map(str::len).ok_or_else(|| ReduceError::new("longest takes texts"))
            };
            Ok(if length(&b)? > length(&a)? { b } else { a })
        })
        .build()
        .unwrap();
    let mut state = shape.fresh();
    assert_eq!(json_of(&shape, &state), json!({}));
    for text in ["bb", "a", "ccc", "ddd"] {
        write(&shape, &mut state, json!({"longest": text})).unwrap();
    }
    assert_eq!(json_of(&shape, &state), json!({"longest": "ccc"}));
    let refused = write(&shape, &mut state, json!({"longest": 1}));
    assert_eq!(refused, Err(ReduceError::new("longest takes texts")));
}

#[test]
fn a_snapshot_that_a_reader_holds_does_not_change_and_shares_what_was_not_written() {
    let shape = shape(&json!({"log": {"reduce": "append"}, "big": {"type": "array"}}));
    let mut state = shape.fresh();
    write(&shape, &mut state, json!({"log": [1], "big": [1, 2, 3]})).unwrap();
    let reader = state.typed::<DynState>().expect("a DynState");
    write(&shape, &mut state, json!({"log": [2]})).unwrap();
    assert_eq!(reader["log"], json!([1]));
    assert_eq!(dyn_of(&state)["log"], json!([1, 2]));
    let address = |state: &DynState| std::ptr::from_ref(&state["big"]);
    assert_eq!(address(&reader), address(dyn_of(&state)));
}

#[test]
fn a_write_without_a_reader_is_made_in_place() {
    let shape = shape(&json!({"log": {"reduce": "append"}}));
    let mut state = shape.fresh();
    write(&shape, &mut state, json!({"log": [1]})).unwrap();
    let address = |state: &StateCell| std::ptr::from_ref(&dyn_of(state)["log"]);
    let before = address(&state);
    write(&shape, &mut state, json!({"log": [2]})).unwrap();
    assert_eq!(address(&state), before);
}

#[test]
fn every_value_of_a_wrong_type_is_told_and_unknown_keys_are_listed() {
    let shape = shape(&json!({
        "n": {"type": "integer"}, "f": {"type": "number"}, "s": {"type": ["string", "null"]},
        "log": {"reduce": "append"}, "map": {"reduce": "merge"}, "sum": {"reduce": "add"}, "free": {},
    }));
    let told = problems(
        &shape,
        json!({
            "n": 1.5, "f": 1, "s": 2, "log": "no list", "map": [], "sum": "1", "free": 1, "other": 1,
        }),
    );
    assert_eq!(
        told,
        [
            "`n` does not take this value: it has the type number, not integer",
            "`s` does not take this value: it has the type integer, not string or null",
            "`log` does not take this value: it has the type string, not array",
            "`map` does not take this value: it has the type array, not object",
            "`sum` does not take this value: it has the type string, not number",
        ]
    );
    let Value::Object(good) = json!({"n": 2.0, "s": null, "other": 1, "more": 2}) else { panic!() };
    let update = shape.update_from_json(good).unwrap();
    assert_eq!(update.writes.iter().map(|write| write.channel).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(update.unknown, ["other", "more"]);
    assert_eq!(problems(&shape, json!({"log": {"__overwrite__": 1}})).len(), 1);
}

#[test]
fn sums_that_fit_no_number_and_values_without_order_are_refused() {
    let sum = json!({"reduce": "add"});
    assert_eq!(folded(&sum, &[json!(u64::MAX), json!(i64::MIN)]), json!(i64::MAX));
    assert_eq!(refusal(&sum, &[json!(u64::MAX), json!(1)]), "the sum has more than 64 bits");
    assert_eq!(refusal(&sum, &[json!(1e308), json!(1e308)]), "the sum is no finite number");
    assert_eq!(
        refusal(&json!({"reduce": "max"}), &[json!(1), json!("a")]),
        "a value of the type string has no order with one of the type integer"
    );
}

#[test]
fn values_of_other_types_are_taken_as_their_json() {
    let shape = shape(&json!({"x": {"type": "array"}}));
    let accepted = shape.channels()[0].ops.accept(Box::new(vec![1_u8, 2]), false).unwrap();
    assert_eq!(accepted.to_json().unwrap(), json!([1, 2]));
    assert!(shape.channels()[0].ops.accept(Box::new("text"), false).is_err());
}

#[test]
fn a_state_is_read_by_name_and_as_types() {
    let shape = shape(&json!({"n": {"type": "integer"}, "o": {}}));
    let mut state = shape.fresh();
    write(&shape, &mut state, json!({"n": 3})).unwrap();
    let state = dyn_of(&state);
    assert_eq!(state.get("n"), Some(&json!(3)));
    assert_eq!((state.get("o"), state.get("none")), (None, None));
    assert_eq!(state.read::<u8>("n"), Ok(3));
    assert_eq!(state.read::<Option<u8>>("o"), Ok(None));
    assert_eq!(state.read::<String>("n").unwrap_err().channel, "n");
    assert_eq!(serde_json::to_value(state).unwrap(), json!({"n": 3}));
    assert_eq!(format!("{state:?}"), r#"{"n": Number(3)}"#);
    let Value::Object(private) = json!({"i": 4}) else { panic!() };
    assert_eq!(DynState::from(private)["i"], json!(4));
}

#[test]
fn schemas_are_those_of_the_description_without_its_own_words() {
    let shape = shape(&json!({
        "n": {"type": "integer", "minimum": 0},
        "log": {"reduce": "append", "items": {"type": "string"}},
        "e": {"channel": "ephemeral", "guard": false, "title": "E"},
    }));
    assert_eq!(
        shape.schema("S", |_| true),
        json!({"title": "S", "type": "object", "properties": {
            "n": {"type": "integer", "minimum": 0},
            "log": {"items": {"type": "string"}, "type": "array"},
            "e": {"title": "E"},
        }})
    );
}

#[test]
fn all_mistakes_of_a_description_are_told_at_once() {
    let described = json!({
        "a": 1,
        "b": {"reduce": "apend"},
        "c": {"channel": "ephemral"},
        "d": {"reduce": "append", "channel": "any"},
        "e": {"type": "int"},
        "f": {"reduce": "append", "type": "object"},
        "g": {"channel": "topic", "guard": true},
        "h": {"channel": "ephemeral", "guard": 1},
        "i": {"channel": "topic", "type": "string"},
        "fine": {},
    });
    let told = DynShape::from_json(&described).expect_err("mistakes");
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    let wanted = [
        "`a` is described by an object, such as {\"type\": \"integer\"}",
        "`b`: \"apend\" is not known for `reduce`; there are append, add, merge, messages, max, min",
        "`c`: \"ephemral\" is not known for `channel`; there are last, any, ephemeral, untracked, topic, \
         topic_accumulate, after_finish, is_last_step, remaining_steps",
        "`d` has both `reduce` and `channel`; a channel of another kind reduces nothing",
        "`g`: `guard` is a boolean, beside `channel` ephemeral or untracked",
        "`h`: `guard` is a boolean, beside `channel` ephemeral or untracked",
        "`e`: \"int\" is not known for `type`; there are null, boolean, integer, number, string, array, object",
        "`f`: append works on values of the type array",
        "`i`: a topic works on values of the type array",
    ];
    assert_eq!(told, wanted);
    assert_eq!(DynShape::from_json(&json!([])).unwrap_err(), [ShapeProblem::NoObject]);
    let twice = DynShape::new().last("x").sum("x").build().unwrap_err();
    assert_eq!(twice, [ShapeProblem::Duplicate { key: "x".to_owned() }]);
}

#[test]
fn a_shape_in_code_has_the_channels_of_its_calls() {
    let shape = DynShape::new()
        .last("x")
        .schema(json!({"type": "integer"}))
        .append("log")
        .sum("sum")
        .merge("map")
        .messages("chat")
        .max("max")
        .min("min")
        .channel("topic", ChannelKind::Topic { accumulate: true })
        .build()
        .unwrap();
    let names: Vec<&str> = shape.channels().iter().map(|channel: &Channel| &*channel.name).collect();
    assert_eq!(names, ["x", "log", "sum", "map", "chat", "max", "min", "topic"]);
    assert_eq!(problems(&shape, json!({"x": "1"})).len(), 1);
    let mut state = shape.fresh();
    write(&shape, &mut state, json!({"topic": 1, "log": [1], "sum": 2, "map": {"a": 1}, "max": 1, "min": 1}))
        .unwrap();
    write(&shape, &mut state, json!({"topic": [2], "sum": 2, "max": 2, "min": 2})).unwrap();
    let wanted =
        json!({"log": [1], "sum": 4, "map": {"a": 1}, "chat": [], "max": 2, "min": 1, "topic": [1, 2]});
    assert_eq!(json_of(&shape, &state), wanted);
}

fn chat(updates: &[Value]) -> Value {
    folded(&json!({"reduce": "messages"}), updates)
}

fn ids(messages: &Value) -> Vec<&str> {
    messages.as_array().expect("a list").iter().filter_map(|message| message["id"].as_str()).collect()
}

#[test]
fn messages_are_taken_in_all_their_forms() {
    let calls =
        json!([{"id": "c", "type": "function", "function": {"name": "add", "arguments": "{\"a\": 2}"}}]);
    let told = chat(&[json!([
        "hello",
        ["ai", "hi"],
        {"role": "user", "content": null},
        {"type": "ai", "content": "", "id": "mine", "extra": 1},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "developer", "content": "be brief"},
        {"type": "ai", "role": "user", "content": "the role counts", "id": "both"},
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "AIMessageChunk"], "kwargs": {"content": "lc"}},
    ])]);
    assert_eq!(
        told,
        json!([
            {"type": "human", "content": "hello", "id": "new-1"},
            {"type": "ai", "content": "hi", "id": "new-2"},
            {"type": "human", "content": "", "id": "new-3"},
            {"type": "ai", "content": "", "id": "mine", "extra": 1},
            {"type": "ai", "content": "", "id": "new-4",
             "tool_calls": [{"name": "add", "args": {"a": 2}, "id": "c", "type": "tool_call"}]},
            {"type": "system", "content": "be brief", "id": "new-5",
             "additional_kwargs": {"__openai_role__": "developer"}},
            {"type": "human", "content": "the role counts", "id": "both"},
            {"type": "ai", "content": "lc", "id": "new-6"},
        ])
    );
    assert_eq!(ids(&chat(&[json!("one message alone")])), ["new-1"]);
}

#[test]
fn what_is_no_message_is_told_with_its_place() {
    let shape = shape(&json!({"k": {"reduce": "messages"}}));
    let reason = |value: Value| problems(&shape, json!({"k": value})).remove(0);
    let told = "`k` does not take this value: message 1: ";
    assert_eq!(
        reason(json!(["a", 5])),
        format!("{told}a message is a text, a pair of role and content, or an object")
    );
    assert_eq!(
        reason(json!(["a", ["ai"]])),
        format!("{told}a list is a message only as a pair of role and content")
    );
    assert_eq!(reason(json!(["a", {"content": "x"}])), format!("{told}a message needs a `role` or a `type`"));
    assert_eq!(reason(json!(["a", {"role": "ai"}])), format!("{told}a message needs a `content`"));
    assert_eq!(
        reason(json!(["a", {"type": "remove"}])),
        format!("{told}a removal needs the `id` of a message")
    );
    assert!(
        reason(json!(["a", {"role": "bot", "content": ""}]))
            .starts_with(&format!("{told}\"bot\" is no type"))
    );
}

#[test]
fn a_message_with_a_known_id_takes_the_place_of_the_old_one() {
    let said = |id: &str, text: &str| json!({"type": "ai", "id": id, "content": text});
    let told = chat(&[
        json!([said("a", "1"), said("b", "2")]),
        json!([said("c", "3"), said("a", "4"), said("c", "5")]),
    ]);
    assert_eq!(told, json!([said("a", "4"), said("b", "2"), said("c", "5")]));
}

#[test]
fn removals_take_messages_out_and_a_later_put_brings_one_back() {
    let said = |id: &str| json!({"type": "ai", "id": id, "content": ""});
    let gone = |id: &str| json!({"role": "remove", "id": id});
    let start = json!([said("a"), said("b"), said("c")]);
    assert_eq!(ids(&chat(&[start.clone(), json!([gone("b")])])), ["a", "c"]);
    assert_eq!(
        ids(&chat(&[start.clone(), json!([gone("a"), said("a"), said("d"), gone("d")])])),
        ["a", "b", "c"]
    );
    assert_eq!(ids(&chat(&[start, json!([said("x"), gone("__remove_all__"), said("y")])])), ["y"]);
}

#[test]
fn a_removal_of_an_unknown_id_is_refused_and_changes_nothing() {
    let shape = shape(&json!({"k": {"reduce": "messages"}}));
    let mut state = shape.fresh();
    let said = json!({"type": "ai", "id": "a", "content": ""});
    write(&shape, &mut state, json!({"k": [said]})).unwrap();
    for update in [
        json!([{"type": "ai", "id": "b", "content": ""}, {"type": "remove", "id": "nobody"}]),
        json!([{"type": "remove", "id": "__remove_all__"}, {"type": "remove", "id": "nobody"}]),
    ] {
        let refused = write(&shape, &mut state, json!({"k": update})).unwrap_err();
        assert_eq!(refused.reason, "no message has the id `nobody`, so it can't be removed");
        assert_eq!(dyn_of(&state)["k"], json!([said]));
    }
}
