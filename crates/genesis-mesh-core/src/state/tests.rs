//! Channels of a struct: kinds, reducers, overwrites, presence, sharing, ids, schemas and JSON.

use super::*;
use crate::message::{Message, Role};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

#[derive(Clone, Default, Debug, PartialEq)]
struct Blog {
    topic: String,
    log: Vec<String>,
    words: i64,
    sorted: BTreeMap<String, u32>,
    hashed: HashMap<String, u32>,
    chat: Vec<Message>,
    scratch: Option<u8>,
    topics: Vec<u8>,
}

const TOPIC: ChannelId = 0;
const LOG: ChannelId = 1;
const WORDS: ChannelId = 2;
const CHAT: ChannelId = 5;
const SCRATCH: ChannelId = 6;
const TOPICS: ChannelId = 7;

impl State for Blog {
    fn shape() -> Option<Arc<Shape>> {
        static SHAPE: OnceLock<Arc<Shape>> = OnceLock::new();
        let make = || Arc::new(Shape::new(channels(), Self::default));
        Some(Arc::clone(SHAPE.get_or_init(make)))
    }
}

fn channels() -> Vec<Channel> {
    use ChannelKind::{Ephemeral, Last as Single, Reduce, Topic};
    vec![
        Field::<Blog, _, Last>::channel("topic", Single, |s| &s.topic, |s| &mut s.topic),
        Field::<Blog, _, Append>::channel("log", Reduce, |s| &s.log, |s| &mut s.log),
        Field::<Blog, _, Add>::channel("words", Reduce, |s| &s.words, |s| &mut s.words),
        Field::<Blog, _, Merge>::channel("sorted", Reduce, |s| &s.sorted, |s| &mut s.sorted),
        Field::<Blog, _, Merge>::channel("hashed", Reduce, |s| &s.hashed, |s| &mut s.hashed),
        Field::<Blog, _, Messages>::channel("chat", Reduce, |s| &s.chat, |s| &mut s.chat),
        Field::<Blog, _, Last>::channel(
            "scratch",
            Ephemeral { guard: true },
            |s| &s.scratch,
            |s| &mut s.scratch,
        ),
        Field::<Blog, _, Append>::channel(
            "topics",
            Topic { accumulate: false },
            |s| &s.topics,
            |s| &mut s.topics,
        ),
    ]
}

fn shape() -> Arc<Shape> {
    Blog::shape().expect("channels")
}

fn fold_all(state: &mut StateCell, writes: Vec<Write>) -> Result<(), ReduceError> {
    let shape = shape();
    for write in writes {
        let ops = &shape.channel(write.channel).expect("a channel").ops;
        let value = ops.accept(write.value, write.is_overwrite).expect("a value that fits");
        shape.fold(state, write.channel, value, write.is_overwrite)?;
    }
    Ok(())
}

fn fold(state: &mut StateCell, update: Update<Blog>) {
    fold_all(state, update.into_writes()).expect("writes that can be folded");
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn read(state: &StateCell) -> &Blog {
    state.any().downcast_ref().expect("a blog")
}

fn said(id: &str, text: &str) -> Message {
    Message { id: Some(id.to_owned()), ..Message::new(Role::User, text) }
}

#[test]
fn each_reducer_folds_its_updates() {
    let shape = shape();
    let mut state = shape.fresh();
    for update in [
        json!({"topic": "a", "log": ["x"], "words": 2, "sorted": {"a": 1, "b": 1}, "hashed": {"a": 1}}),
        json!({"topic": "b", "log": ["y", "z"], "words": -5, "sorted": {"b": 2}, "hashed": {"a": 2}, "topics": [1]}),
    ] {
        fold_all(&mut state, shape.update_from_json(object(update)).unwrap().writes).unwrap();
    }
    let wanted = json!({
        "topic": "b", "log": ["x", "y", "z"], "words": -3, "sorted": {"a": 1, "b": 2}, "hashed": {"a": 2},
        "chat": [], "topics": [1],
    });
    assert_eq!(Value::Object(shape.json(&state).unwrap()), wanted);
}

#[test]
fn a_channel_has_a_value_from_its_first_write_and_one_that_reduces_from_the_start() {
    let shape = shape();
    let mut state = shape.fresh();
    let present = |state: &StateCell| (0..8).filter(|id| state.has(*id)).collect::<Vec<_>>();
    assert_eq!(present(&state), [1, 2, 3, 4, 5]);
    fold(&mut state, Update::new().write(TOPIC, "a".to_owned()).write(SCRATCH, Some(1_u8)));
    assert_eq!(present(&state), [0, 1, 2, 3, 4, 5, 6]);
    shape.clear(&mut state, SCRATCH);
    assert_eq!((present(&state), read(&state).scratch), (vec![0, 1, 2, 3, 4, 5], None));
    assert!(!state.has(8) && !state.has(640));
}

#[test]
fn presence_is_kept_for_channels_past_the_first_word_of_bits() {
    let names: Vec<&'static str> = (0..130).map(|i| -> &'static str { format!("k{i}").leak() }).collect();
    let channel = |name: &&'static str| {
        Field::<Blog, _, Last>::channel(name, ChannelKind::Last, |s: &Blog| &s.words, |s| &mut s.words)
    };
    let shape = Shape::new(names.iter().map(channel).collect(), Blog::default);
    let mut state = shape.fresh();
    for id in [0, 63, 64, 129] {
        shape.fold(&mut state, id, Box::new(1_i64), false).unwrap();
    }
    assert_eq!((0..200).filter(|id| state.has(*id)).collect::<Vec<_>>(), [0, 63, 64, 129]);
    shape.clear(&mut state, 64);
    assert_eq!((0..200).filter(|id| state.has(*id)).collect::<Vec<_>>(), [0, 63, 129]);
}

#[test]
fn kinds_say_how_often_a_channel_is_written_and_how_long_it_lasts() {
    use ChannelKind::{AfterFinish, Any, Ephemeral, Last, Reduce, Topic, Untracked};
    let kinds = [
        (Last, true, false),
        (AfterFinish, true, false),
        (Any, false, true),
        (Reduce, false, false),
        (Topic { accumulate: false }, false, true),
        (Topic { accumulate: true }, false, false),
        (Ephemeral { guard: true }, true, true),
        (Ephemeral { guard: false }, false, true),
        (Untracked { guard: true }, true, false),
        (Untracked { guard: false }, false, false),
    ];
    for (kind, takes_one, lives_one) in kinds {
        assert_eq!((kind.takes_one_write(), kind.lives_one_step()), (takes_one, lives_one), "{kind:?}");
        assert_eq!(kind.has_initial(), kind == Reduce, "{kind:?}");
    }
}

#[test]
fn an_overwrite_goes_past_the_reducer() {
    let mut state = shape().fresh();
    fold(&mut state, Update::new().write(LOG, vec!["a".to_owned()]).write(WORDS, 4_i64));
    fold(&mut state, Update::new().overwrite(LOG, vec!["b".to_owned()]).overwrite(WORDS, 1_i64));
    fold(&mut state, Update::new().overwrite(CHAT, vec![said("a", "hello")]));
    let blog = read(&state);
    assert_eq!((blog.log.as_slice(), blog.words), (["b".to_owned()].as_slice(), 1));
    assert_eq!(blog.chat, [said("a", "hello")]);
}

#[test]
fn a_snapshot_that_a_reader_holds_does_not_change() {
    let mut state = shape().fresh();
    fold(&mut state, Update::new().write(WORDS, 1_i64));
    let reader = state.typed::<Blog>().expect("a blog");
    let second = reader.clone();
    fold(&mut state, Update::new().write(WORDS, 1_i64));
    shape().clear(&mut state, WORDS);
    assert_eq!((reader.words, second.words, read(&state).words), (1, 1, 0));
    assert!(reader.cell().has(WORDS) && !state.has(WORDS));
}

#[test]
fn a_write_without_a_reader_is_made_in_place() {
    let mut state = shape().fresh();
    let before = std::ptr::from_ref(read(&state));
    drop(state.typed::<Blog>());
    fold(&mut state, Update::new().write(WORDS, 1_i64));
    assert_eq!(std::ptr::from_ref(read(&state)), before);
}

#[test]
fn a_state_of_another_type_is_neither_read_nor_written() {
    let shape = shape();
    let other = DynShape::new().last("topic").build().unwrap();
    let mut state = other.fresh();
    assert!(state.typed::<Blog>().is_none());
    assert!(shape.fold(&mut state, TOPIC, Box::new("a".to_owned()), false).is_err());
    assert_eq!(shape.channels()[0].ops.json(state.any()).unwrap(), Value::Null);
    assert!(shape.channels()[0].ops.read(state.any()).is_none());
}

#[test]
fn a_write_to_no_channel_or_of_another_type_is_refused() {
    let shape = shape();
    let mut state = shape.fresh();
    let refused = shape.fold(&mut state, 99, Box::new(1_i64), false).unwrap_err();
    assert_eq!(refused.reason, "a write names a channel that the state does not have");
    let refused = shape.fold(&mut state, WORDS, Box::new("1"), false).unwrap_err();
    assert_eq!(refused.reason, "a write to `words` has another type");
    let refused = shape.channels()[2].ops.accept(Box::new("1"), false).unwrap_err();
    assert_eq!(refused.to_string(), "`words` does not take this value: it has the type of another channel");
    assert_eq!(read(&state), &Blog::default());
}

#[test]
fn json_that_does_not_fit_is_told_with_every_channel_that_refuses_it() {
    let update = json!({
        "topic": 1, "log": "a", "words": "b", "chat": [{"role": "nobody"}], "scratch": 7, "unheard": 1,
    });
    let problems = shape().update_from_json(object(update)).unwrap_err();
    let channels: Vec<_> = problems.iter().map(|problem| problem.channel.as_str()).collect();
    assert_eq!(channels, ["topic", "log", "words", "chat"]);
    assert_eq!(problems[0].reason, "invalid type: integer `1`, expected a string");
    let update = shape().update_from_json(object(json!({"unheard": 1, "words": 1}))).unwrap();
    assert_eq!((update.writes.len(), update.unknown), (1, vec!["unheard".to_owned()]));
}

#[test]
fn a_state_survives_the_way_through_json() {
    let shape = shape();
    let mut state = shape.fresh();
    let full = Update::new()
        .write(TOPIC, "a".to_owned())
        .write(LOG, vec!["b".to_owned()])
        .write(WORDS, 7_i64)
        .write(CHAT, vec![MessageChange::from(said("m", "hello"))])
        .write(TOPICS, vec![1_u8, 2]);
    fold(&mut state, full);
    let mut copy = shape.fresh();
    let stored = shape.json(&state).unwrap();
    let overwrites = stored.iter().map(|(name, value)| (name.clone(), json!({"__overwrite__": value})));
    fold_all(&mut copy, shape.update_from_json(overwrites.collect()).unwrap().writes).unwrap();
    assert_eq!(read(&copy), read(&state));
    assert_eq!(shape.json(&copy).unwrap(), stored);
}

#[test]
fn a_value_that_is_read_is_a_copy() {
    let shape = shape();
    let mut state = shape.fresh();
    fold(&mut state, Update::new().write(LOG, vec!["a".to_owned()]));
    let value = shape.channels()[1].ops.read(state.any()).unwrap();
    assert_eq!(value.to_json().unwrap(), json!(["a"]));
    assert_eq!(value.clone_value().into_any().downcast::<Vec<String>>().unwrap().as_slice(), ["a"]);
}

#[test]
fn schemas_are_those_of_the_fields() {
    let schema = shape().schema("Blog", |_| true);
    assert_eq!((&schema["title"], &schema["type"]), (&json!("Blog"), &json!("object")));
    assert_eq!(schema["properties"]["topic"]["type"], "string");
    assert_eq!(schema["properties"]["log"]["items"]["type"], "string");
    let names: Vec<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["topic", "log", "words", "sorted", "hashed", "chat", "scratch", "topics"]);
}

#[test]
fn messages_without_an_id_get_one_and_others_keep_theirs() {
    let ops = &shape().channels()[CHAT as usize].ops.clone();
    let json = json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b", "id": "mine"},
                      {"type": "remove", "id": "x"}]);
    let mut value = ops.accept(Box::new(json), false).unwrap();
    let mut made = 0;
    ops.assign_ids(&mut value, &mut || {
        made += 1;
        format!("new-{made}")
    });
    let ids: Vec<Value> =
        value.to_json().unwrap().as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    assert_eq!((ids, made), (vec![json!("new-1"), json!("mine"), json!("x")], 1));
    let mut number: BoxValue = Box::new(1_i64);
    shape().channels()[2].ops.assign_ids(&mut number, &mut || panic!("a number needs no id"));
    assert_eq!(number.to_json().unwrap(), json!(1));
}

#[test]
fn a_conversation_is_put_to_corrected_and_cut() {
    let mut messages = Vec::new();
    let mut apply = |changes: Vec<MessageChange>| {
        MessageChange::apply_all(&mut messages, changes).map(|()| {
            let told = messages
                .iter()
                .map(|message: &Message| (message.id.clone().unwrap_or_default(), message.content.clone()));
            told.map(|(id, text)| format!("{id}={text}")).collect::<Vec<_>>().join(" ")
        })
    };
    let put = |id: &str, text: &str| MessageChange::from(said(id, text));
    let gone = MessageChange::remove;
    assert_eq!(apply(vec![put("a", "1"), put("b", "2"), put("c", "3")]).unwrap(), "a=1 b=2 c=3");
    assert_eq!(apply(vec![put("b", "4"), put("d", "5"), put("d", "6")]).unwrap(), "a=1 b=4 c=3 d=6");
    assert_eq!(apply(vec![gone("a"), gone("c"), put("c", "7")]).unwrap(), "b=4 c=7 d=6");
    // More changes than are looked up one by one.
    let many = vec![put("e", "8"), gone("e"), put("b", "9"), gone("d"), put("f", "1"), put("f", "2")];
    assert_eq!(apply(many).unwrap(), "b=9 c=7 f=2");
    assert_eq!(apply(vec![put("x", ""), MessageChange::remove_all(), put("y", "1")]).unwrap(), "y=1");
    assert_eq!(apply(vec![MessageChange::Put(Message::new(Role::User, "2"))]).unwrap(), "y=1 =2");
}

#[test]
fn a_removal_of_an_unknown_id_is_refused_and_changes_nothing() {
    let mut state = shape().fresh();
    fold(&mut state, Update::new().write(CHAT, vec![MessageChange::from(said("a", "1"))]));
    for changes in [
        vec![MessageChange::from(said("a", "2")), MessageChange::remove("nobody")],
        vec![MessageChange::remove_all(), MessageChange::remove("a")],
    ] {
        let id = if changes.contains(&MessageChange::remove_all()) { "a" } else { "nobody" };
        let refused =
            fold_all(&mut state, Update::<Blog>::new().write(CHAT, changes).into_writes()).unwrap_err();
        assert_eq!(refused.reason, format!("no message has the id `{id}`, so it can't be removed"));
        assert_eq!(read(&state).chat, [said("a", "1")]);
    }
}

#[test]
fn changes_of_messages_have_one_json_form() {
    let changes = vec![MessageChange::from(said("a", "1")), MessageChange::remove_all()];
    let json =
        json!([{"id": "a", "role": "user", "content": "1"}, {"type": "remove", "id": "__remove_all__"}]);
    assert_eq!(serde_json::to_value(&changes).unwrap(), json);
    assert_eq!(serde_json::from_value::<Vec<MessageChange>>(json).unwrap(), changes);
}

#[test]
fn a_copy_of_an_update_writes_the_same() {
    let update = Update::<Blog>::new().write(WORDS, 1_i64).overwrite(LOG, vec!["a".to_owned()]);
    assert_eq!(format!("{update:?}").matches("Write {").count(), 2);
    let writes = update.into_writes();
    let copies = writes.clone();
    assert_eq!(
        copies.iter().map(|write| (write.channel, write.is_overwrite)).collect::<Vec<_>>(),
        [(2, false), (1, true)]
    );
    let (mut first, mut second) = (shape().fresh(), shape().fresh());
    fold(&mut first, Update::from(writes));
    fold(&mut second, Update::from(copies));
    assert_eq!(read(&first), read(&second));
}

#[test]
fn a_sum_that_does_not_fit_is_refused_and_texts_are_added_at_the_end() {
    let mut small = 250_u8;
    <Add as Reducer<u8>>::reduce(&mut small, 5).expect("a sum that fits");
    let refusal = <Add as Reducer<u8>>::reduce(&mut small, 1).expect_err("a sum that does not fit");
    assert_eq!((small, refusal.reason.as_str()), (255, "the sum of 255 and 1 has more than 8 bits"));
    let mut text = "a".to_owned();
    <Add as Reducer<String>>::reduce(&mut text, "b".to_owned()).expect("a text");
    assert_eq!(text, "ab");
    let mut number = 0.5;
    <Add as Reducer<f64>>::reduce(&mut number, 1.0).expect("a sum");
    assert_eq!(number.to_bits(), 1.5_f64.to_bits());
}
