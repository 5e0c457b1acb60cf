//! Descriptions: a shape from data, or from calls.
//!
//! Owns: `DynShape`, the words of a description, and every mistake that one can have.
//! Never: stops at the first mistake; whoever wrote the description sees all of them.

use super::key::{Key, ReduceFn, Rule};
use super::kind::Kind;
use super::{DynState, Names};
use crate::state::channel::{Channel, ChannelId, ChannelKind, Managed, ReduceError};
use crate::state::shape::Shape;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// The channels of a [`DynState`], described one after another.
///
/// ```
/// use genesis_mesh_core::state::DynShape;
/// use serde_json::json;
///
/// let in_code = DynShape::new().last("topic").append("log").messages("chat").build();
/// let in_data = DynShape::from_json(&json!({
///     "topic": {"type": "string"},
///     "log": {"type": "array", "reduce": "append"},
///     "chat": {"reduce": "messages"},
///     "scratch": {"channel": "ephemeral", "guard": false},
/// }));
/// assert_eq!(in_code.unwrap().channels().len(), 3);
/// assert_eq!(in_data.unwrap().channels().len(), 4);
/// ```
#[derive(Default)]
pub struct DynShape {
    keys: Vec<Draft>,
    problems: Vec<ShapeProblem>,
}

/// One channel before its schema is looked at.
struct Draft {
    name: Arc<str>,
    kind: ChannelKind,
    rule: Rule,
    schema: Map<String, Value>,
}

/// A mistake in the description of a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeProblem {
    /// The description is no object.
    #[error("a state is described by an object of its keys")]
    NoObject,
    /// A key's description is no object.
    #[error("`{key}` is described by an object, such as {{\"type\": \"integer\"}}")]
    NoKeyObject {
        /// The key.
        key: String,
    },
    /// Two channels have one name.
    #[error("`{key}` is described twice")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// A word that stands for nothing here.
    #[error("`{key}`: {found} is not known for `{keyword}`; there are {known}")]
    UnknownWord {
        /// The key.
        key: String,
        /// The keyword, `type`, `reduce` or `channel`.
        keyword: &'static str,
        /// What was found, as JSON.
        found: String,
        /// The words that there are.
        known: &'static str,
    },
    /// A key has both a reducer and a kind of channel that has none.
    #[error("`{key}` has both `reduce` and `channel`; a channel of another kind reduces nothing")]
    ReduceAndChannel {
        /// The key.
        key: String,
    },
    /// A guard where nothing is guarded, or one that is no boolean.
    #[error("`{key}`: `guard` is a boolean, beside `channel` ephemeral or untracked")]
    Guard {
        /// The key.
        key: String,
    },
    /// The type of the value is none that the reducer or the channel works on.
    #[error("`{key}`: {rule} works on values of the type {wants}")]
    WrongType {
        /// The key.
        key: String,
        /// The word of the reducer or the channel.
        rule: &'static str,
        /// The types that it works on.
        wants: String,
    },
}

const REDUCERS: &str = "append, add, merge, messages, max, min";
const CHANNELS: &str = "last, any, ephemeral, untracked, topic, topic_accumulate, after_finish, is_last_step, \
    remaining_steps";
const TYPES: &str = "null, boolean, integer, number, string, array, object";

impl DynShape {
    /// A shape without channels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The shape that `description` describes: an object with an object for each key, which holds `reduce` or
    /// `channel`, and the JSON schema of the value.
    ///
    /// `reduce` is append, add, merge, messages, max or min. `channel` is last, any, ephemeral, untracked, topic,
    /// `topic_accumulate`, `after_finish`, `is_last_step` or `remaining_steps`; beside ephemeral and untracked stands
    /// `guard`, which is true by default.
    /// Of the schema, `type` is held against every value that is written; the rest is documentation here.
    /// A channel that reduces begins with the empty value of its type, all others without a value.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn from_json(description: &Value) -> Result<Shape, Vec<ShapeProblem>> {
        let Value::Object(keys) = description else { return Err(vec![ShapeProblem::NoObject]) };
        let mut shape = Self::new();
        for (name, key) in keys {
            match key {
                Value::Object(key) => shape = shape.read_key(name, key.clone()),
                _ => shape.problems.push(ShapeProblem::NoKeyObject { key: name.clone() }),
            }
        }
        shape.build()
    }

    fn read_key(mut self, name: &str, mut schema: Map<String, Value>) -> Self {
        let mut problems = Vec::new();
        let reduce = schema.shift_remove("reduce").map(|word| reducer_of(name, &word));
        let channel = schema.shift_remove("channel");
        let guard = schema.shift_remove("guard");
        if reduce.is_some() && channel.is_some() {
            problems.push(ShapeProblem::ReduceAndChannel { key: name.to_owned() });
        }
        let is_guarded = match &guard {
            None => Some(true),
            Some(guard) => guard.as_bool(),
        };
        let channel = channel.map(|word| channel_of(name, &word, is_guarded.unwrap_or(true)));
        let guards =
            matches!(channel, Some(Ok((ChannelKind::Ephemeral { .. } | ChannelKind::Untracked { .. }, _))));
        if guard.is_some() && (!guards || is_guarded.is_none()) {
            problems.push(ShapeProblem::Guard { key: name.to_owned() });
        }
        let how = match (reduce, channel) {
            (Some(reduce), _) => reduce.map(|rule| (ChannelKind::Reduce, rule)),
            (None, Some(channel)) => channel,
            (None, None) => Ok((ChannelKind::Last, Rule::Last)),
        };
        match how {
            Ok((kind, rule)) => self.keys.push(Draft { name: name.into(), kind, rule, schema }),
            Err(problem) => problems.push(problem),
        }
        self.problems.extend(problems);
        self
    }

    /// Adds a channel that keeps the last value; two writes in one step are an error.
    #[must_use]
    pub fn last(self, name: &str) -> Self {
        self.add_key(name, ChannelKind::Last, Rule::Last)
    }

    /// Adds a channel of `kind`; a topic's value is a list. `Reduce` keeps the last value of any number of writes.
    #[must_use]
    pub fn channel(self, name: &str, kind: ChannelKind) -> Self {
        let rule = if matches!(kind, ChannelKind::Topic { .. }) { Rule::Publish } else { Rule::Last };
        self.add_key(name, kind, rule)
    }

    /// Adds a list to whose end written lists are put.
    #[must_use]
    pub fn append(self, name: &str) -> Self {
        self.add_key(name, ChannelKind::Reduce, Rule::Append)
    }

    /// Adds a sum; with a schema of the type string or array, a text or a list that grows.
    #[must_use]
    pub fn sum(self, name: &str) -> Self {
        self.add_key(name, ChannelKind::Reduce, Rule::Add)
    }

    /// Adds an object whose entries are set by written objects.
    #[must_use]
    pub fn merge(self, name: &str) -> Self {
        self.add_key(name, ChannelKind::Reduce, Rule::Merge)
    }

    /// Adds a conversation: messages go to the end or in the place of the one with their id; removals take one out.
    #[must_use]
    pub fn messages(self, name: &str) -> Self {
        self.add_key(name, ChannelKind::Reduce, Rule::Messages)
    }

    /// Adds the greatest value that was written; with a type, the type's empty value counts as written.
    #[must_use]
    pub fn max(self, name: &str) -> Self {
        self.add_key(name, ChannelKind::Reduce, Rule::Max)
    }

    /// Adds the least value that was written; with a type, the type's empty value counts as written.
    #[must_use]
    pub fn min(self, name: &str) -> Self {
        self.add_key(name, ChannelKind::Reduce, Rule::Min)
    }

    /// Adds a channel with a reducer of one's own, which gets the value and the update. Without a type, the first
    /// write is the value; with one, the reducer begins with the type's empty value.
    #[must_use]
    pub fn reduce<F>(self, name: &str, reducer: F) -> Self
    where
        F: Fn(Value, Value) -> Result<Value, ReduceError> + Send + Sync + 'static,
    {
        let reducer: ReduceFn = Arc::new(reducer);
        self.add_key(name, ChannelKind::Reduce, Rule::Function(reducer))
    }

    /// Gives the channel that was added last a JSON schema; what is no object is left out.
    #[must_use]
    pub fn schema(mut self, schema: Value) -> Self {
        if let (Some(key), Value::Object(schema)) = (self.keys.last_mut(), schema) {
            key.schema = schema;
        }
        self
    }

    fn add_key(mut self, name: &str, kind: ChannelKind, rule: Rule) -> Self {
        self.keys.push(Draft { name: name.into(), kind, rule, schema: Map::new() });
        self
    }

    /// The shape.
    ///
    /// # Errors
    /// Every mistake in the description.
    pub fn build(self) -> Result<Shape, Vec<ShapeProblem>> {
        let mut problems = self.problems;
        let mut seen = HashSet::new();
        let mut channels = Vec::new();
        let mut cells = Vec::new();
        for (draft, id) in self.keys.into_iter().zip(0..) {
            if !seen.insert(Arc::clone(&draft.name)) {
                problems.push(ShapeProblem::Duplicate { key: draft.name.to_string() });
            }
            let kind = draft.kind;
            match draft.into_key(id) {
                Ok(key) => {
                    cells.push(key.initial.clone());
                    channels.push(Channel { name: Arc::clone(&key.name), kind, ops: Arc::new(key) });
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let names: Arc<Names> =
            Arc::new(channels.iter().map(|channel: &Channel| Arc::clone(&channel.name)).collect());
        Ok(Shape::new(channels, move || DynState { names: Arc::clone(&names), cells: cells.clone() }))
    }
}

impl Draft {
    fn into_key(mut self, id: ChannelId) -> Result<Key, ShapeProblem> {
        let mut kinds = kinds_of(&self.name, self.schema.get("type"))?;
        let (word, wants) = self.rule.domain();
        let is_open_sum = matches!(self.rule, Rule::Add) && kinds.is_empty();
        if kinds.is_empty() && !wants.is_empty() {
            kinds = match self.rule {
                Rule::Add => vec![Kind::Number],
                _ => wants.to_vec(),
            };
            self.schema.insert("type".to_owned(), kinds.first().map(Kind::to_string).into());
        } else if !wants.is_empty() && kinds.iter().any(|kind| !wants.contains(kind)) {
            let wants: Vec<String> = wants.iter().map(Kind::to_string).collect();
            let key = self.name.to_string();
            return Err(ShapeProblem::WrongType { key, rule: word, wants: wants.join(" or ") });
        }
        let initial = match kinds.first() {
            _ if self.kind != ChannelKind::Reduce => None,
            // A sum without a type is one of whole numbers until something else is added.
            _ if is_open_sum => Some(json!(0)),
            first => first.and_then(|kind| kind.empty()),
        };
        let schema = Value::Object(self.schema);
        Ok(Key { id, name: self.name, rule: self.rule, kinds, initial: initial.map(Arc::new), schema })
    }
}

impl Rule {
    /// The word for it, and the kinds of values that it works on; empty for all.
    fn domain(&self) -> (&'static str, &'static [Kind]) {
        match self {
            Self::Last | Self::Function(_) => ("", &[]),
            Self::Append => ("append", &[Kind::Array]),
            Self::Publish => ("a topic", &[Kind::Array]),
            Self::Messages => ("messages", &[Kind::Array]),
            Self::Add => ("add", &[Kind::Integer, Kind::Number, Kind::String, Kind::Array]),
            Self::Merge => ("merge", &[Kind::Object]),
            Self::Max => ("max", &[]),
            Self::Min => ("min", &[]),
        }
    }
}

fn kinds_of(key: &str, words: Option<&Value>) -> Result<Vec<Kind>, ShapeProblem> {
    let Some(words) = words else { return Ok(Vec::new()) };
    let of_word = |word: &Value| word.as_str().and_then(Kind::of_word);
    let kinds: Option<Vec<Kind>> = match words {
        Value::Array(words) if !words.is_empty() => words.iter().map(of_word).collect(),
        word => of_word(word).map(|kind| vec![kind]),
    };
    kinds.ok_or_else(|| unknown_word(key, "type", words, TYPES))
}

fn reducer_of(key: &str, word: &Value) -> Result<Rule, ShapeProblem> {
    match word.as_str() {
        Some("append") => Ok(Rule::Append),
        Some("add") => Ok(Rule::Add),
        Some("merge") => Ok(Rule::Merge),
        Some("messages") => Ok(Rule::Messages),
        Some("max") => Ok(Rule::Max),
        Some("min") => Ok(Rule::Min),
        _ => Err(unknown_word(key, "reduce", word, REDUCERS)),
    }
}

fn channel_of(key: &str, word: &Value, guard: bool) -> Result<(ChannelKind, Rule), ShapeProblem> {
    let kind = match word.as_str() {
        Some("last") => ChannelKind::Last,
        Some("any") => ChannelKind::Any,
        Some("ephemeral") => ChannelKind::Ephemeral { guard },
        Some("untracked") => ChannelKind::Untracked { guard },
        Some("topic") => ChannelKind::Topic { accumulate: false },
        Some("topic_accumulate") => ChannelKind::Topic { accumulate: true },
        Some("after_finish") => ChannelKind::AfterFinish,
        Some("is_last_step") => ChannelKind::Managed(Managed::IsLastStep),
        Some("remaining_steps") => ChannelKind::Managed(Managed::RemainingSteps),
        _ => return Err(unknown_word(key, "channel", word, CHANNELS)),
    };
    let rule = if matches!(kind, ChannelKind::Topic { .. }) { Rule::Publish } else { Rule::Last };
    Ok((kind, rule))
}

fn unknown_word(key: &str, keyword: &'static str, found: &Value, known: &'static str) -> ShapeProblem {
    ShapeProblem::UnknownWord { key: key.to_owned(), keyword, found: found.to_string(), known }
}
