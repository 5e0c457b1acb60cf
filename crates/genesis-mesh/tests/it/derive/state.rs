//! States made of structs: their channels, names, updates and reducers.

use genesis_mesh::state::{ChannelKind, MessageChange, ReduceError, Reducer, Shape, StateCell, Update};
use genesis_mesh::{Message, Role, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Source {
    url: String,
}

impl From<&str> for Source {
    fn from(url: &str) -> Self {
        Self { url: url.to_owned() }
    }
}

fn longest(a: String, b: String) -> String {
    if b.len() > a.len() { b } else { a }
}

mod folds {
    pub(super) fn longest(a: String, b: String) -> String {
        super::longest(a, b)
    }
}

/// Counts writes.
struct Count;

impl Reducer<u64> for Count {
    type Update = ();

    fn reduce(current: &mut u64, (): ()) -> Result<(), ReduceError> {
        *current += 1;
        Ok(())
    }
}

#[derive(State, Debug, Default, Clone)]
struct Blog {
    /// What it is about.
    topic: String,
    draft: Option<u32>,
    #[reduce(append)]
    log: Vec<String>,
    #[reduce(append)]
    numbers: Vec<u64>,
    #[reduce(append)]
    sources: Vec<Source>,
    #[reduce(add)]
    words: i64,
    #[reduce(merge)]
    counts: BTreeMap<String, u32>,
    #[reduce(merge)]
    places: HashMap<String, u32>,
    #[reduce(messages)]
    chat: Vec<Message>,
    #[reduce(longest)]
    best: String,
    #[reduce(folds::longest)]
    again: String,
    #[reduce(with = Count)]
    writes: u64,
    #[channel(ephemeral)]
    scratch: Option<u8>,
    #[channel(ephemeral, guard = false)]
    open_scratch: Option<u8>,
    #[channel(untracked)]
    handle: Option<u8>,
    #[channel(untracked, guard = false)]
    open_handle: Option<u8>,
    #[channel(any)]
    any: Option<u8>,
    #[channel(topic)]
    topics: Vec<String>,
    #[channel(topic(accumulate))]
    all_topics: Vec<u32>,
    #[channel(after_finish)]
    end: String,
    #[serde(rename = "in")]
    input: u8,
    r#type: u8,
}

#[derive(State, Default, Clone)]
#[serde(rename_all = "camelCase")]
struct Renamed {
    first_name: String,
    #[serde(rename(serialize = "LAST", deserialize = "LAST"))]
    last_name: String,
}

fn shape() -> Arc<Shape> {
    Blog::shape().expect("channels")
}

fn fold(state: &mut StateCell, update: impl Into<Update<Blog>>) -> Result<(), ReduceError> {
    let shape = shape();
    for write in update.into().into_writes() {
        let channel = shape.channel(write.channel).expect("a channel");
        let value = channel.ops.accept(write.value, write.is_overwrite).expect("a value that fits");
        shape.fold(state, write.channel, value, write.is_overwrite)?;
    }
    Ok(())
}

fn read(state: &StateCell) -> &Blog {
    state.any().downcast_ref().expect("a blog")
}

#[test]
fn each_field_is_a_channel_of_its_name_and_kind() {
    let shape = shape();
    let channels: Vec<_> = shape.channels().iter().map(|channel| (&*channel.name, channel.kind)).collect();
    assert_eq!(
        channels,
        [
            ("topic", ChannelKind::Last),
            ("draft", ChannelKind::Last),
            ("log", ChannelKind::Reduce),
            ("numbers", ChannelKind::Reduce),
            ("sources", ChannelKind::Reduce),
            ("words", ChannelKind::Reduce),
            ("counts", ChannelKind::Reduce),
            ("places", ChannelKind::Reduce),
            ("chat", ChannelKind::Reduce),
            ("best", ChannelKind::Reduce),
            ("again", ChannelKind::Reduce),
            ("writes", ChannelKind::Reduce),
            ("scratch", ChannelKind::Ephemeral { guard: true }),
            ("open_scratch", ChannelKind::Ephemeral { guard: false }),
            ("handle", ChannelKind::Untracked { guard: true }),
            ("open_handle", ChannelKind::Untracked { guard: false }),
            ("any", ChannelKind::Any),
            ("topics", ChannelKind::Topic { accumulate: false }),
            ("all_topics", ChannelKind::Topic { accumulate: true }),
            ("end", ChannelKind::AfterFinish),
            ("in", ChannelKind::Last),
            ("type", ChannelKind::Last),
        ]
    );
}

#[test]
fn channels_have_the_names_that_serde_gives_fields() {
    let shape = Renamed::shape().expect("channels");
    let names: Vec<_> = shape.channels().iter().map(|channel| &*channel.name).collect();
    assert_eq!(names, ["firstName", "LAST"]);
}

#[test]
fn there_is_one_shape_of_a_type() {
    assert!(Arc::ptr_eq(&shape(), &shape()));
}

#[test]
fn every_setter_takes_what_its_field_is_written_with() {
    let mut state = shape().fresh();
    let first = Blog::update()
        .topic("rust")
        .draft(Some(1))
        .log(["a", "b"])
        .numbers([1, 2])
        .sources(["here", "there"])
        .words(2)
        .counts([("x".to_owned(), 1)])
        .places([("y".to_owned(), 1)])
        .chat([Message::new(Role::User, "hello")])
        .best("aa")
        .again(String::from("a"))
        .writes(())
        .scratch(Some(1))
        .any(Some(2))
        .topics(["t"])
        .all_topics(vec![1])
        .end("end")
        .input(7)
        .r#type(8);
    fold(&mut state, first).unwrap();
    let second =
        Blog::update().log(["c".to_owned()]).numbers(vec![]).words(3).best("b").again("bb").writes(());
    fold(&mut state, second.counts(BTreeMap::from([("x".to_owned(), 2)]))).unwrap();
    let blog = read(&state);
    assert_eq!((blog.topic.as_str(), blog.draft, blog.words, blog.writes), ("rust", Some(1), 5, 2));
    assert_eq!((blog.log.join(""), blog.numbers.as_slice()), ("abc".to_owned(), [1, 2].as_slice()));
    assert_eq!(blog.sources, [Source::from("here"), Source::from("there")]);
    assert_eq!((blog.counts["x"], blog.places["y"]), (2, 1));
    assert_eq!(blog.chat, [Message::new(Role::User, "hello")]);
    assert_eq!((blog.best.as_str(), blog.again.as_str()), ("aa", "bb"));
    assert_eq!((blog.scratch, blog.open_scratch, blog.any), (Some(1), None, Some(2)));
    assert_eq!((blog.handle, blog.open_handle), (None, None));
    assert_eq!(
        (blog.topics.as_slice(), blog.all_topics.as_slice()),
        (["t".to_owned()].as_slice(), [1].as_slice())
    );
    assert_eq!((blog.end.as_str(), blog.input, blog.r#type), ("end", 7, 8));
}

#[test]
fn overwrites_go_past_the_reducer() {
    let mut state = shape().fresh();
    fold(&mut state, Blog::update().log(["a"]).words(2).best("long").writes(())).unwrap();
    let overwrite =
        Blog::update().overwrite_log(vec![]).overwrite_words(1).overwrite_best("b").overwrite_writes(9);
    fold(&mut state, overwrite).unwrap();
    let blog = read(&state);
    assert_eq!((blog.log.len(), blog.words, blog.best.as_str(), blog.writes), (0, 1, "b", 9));
}

#[test]
fn an_update_writes_the_fields_that_were_set_and_no_others() {
    let writes = Update::from(Blog::update().words(1).log(["a"])).into_writes();
    assert_eq!(writes.iter().map(|write| write.channel).collect::<Vec<_>>(), [5, 2]);
    assert!(Update::from(Blog::update()).into_writes().is_empty());
}

#[test]
fn messages_are_put_and_removed_by_one_setter() {
    let mut state = shape().fresh();
    let said = |id: &str| Message { id: Some(id.to_owned()), ..Message::new(Role::User, "hello") };
    fold(&mut state, Blog::update().chat([said("a"), said("b")])).unwrap();
    fold(&mut state, Blog::update().chat([MessageChange::remove("a")])).unwrap();
    assert_eq!(read(&state).chat, [said("b")]);
}

#[test]
fn json_writes_have_the_types_of_the_fields() {
    let shape = shape();
    let Value::Object(update) = json!({"in": 3, "sources": [{"url": "x"}], "log": {"__overwrite__": ["z"]}})
    else {
        panic!("an object")
    };
    let mut state = shape.fresh();
    for write in shape.update_from_json(update).unwrap().writes {
        shape.fold(&mut state, write.channel, write.value, write.is_overwrite).unwrap();
    }
    assert_eq!(read(&state).input, 3);
    assert_eq!(read(&state).sources, [Source::from("x")]);
    assert_eq!(shape.json(&state).unwrap()["log"], json!(["z"]));
}
