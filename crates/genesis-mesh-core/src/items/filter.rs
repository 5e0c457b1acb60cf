//! Filters: what the value of an item must hold.
//!
//! Owns: the operators, and what is equal, less and greater among JSON values.
//! Never: looks at a namespace or a key.
//! Source: the words are LangGraph's; a value that has no order with another does not fit, where LangGraph raises.

use serde_json::{Map, Value};
use std::cmp::Ordering;

/// What fields of a value must hold: each key a field, and a value that it must have, or operators that must hold for
/// it (`{"$gt": 1, "$lte": 5}`). Fields that are not named may be anything; a field that is not there counts as null.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ItemFilter(Vec<(String, Test)>);

/// What one value must be.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Equal to this; numbers are equal whatever their form.
    Equal(Value),
    /// A list of as many values, each of which passes.
    List(Vec<Test>),
    /// An object whose fields pass.
    Fields(ItemFilter),
    /// All of these hold.
    All(Vec<(Operator, Value)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A filter that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter has no operator `{operator}`; there are $eq, $ne, $gt, $gte, $lt and $lte")]
pub struct FilterError {
    /// The word in the operator's place.
    pub operator: String,
}

impl FilterError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "filter_invalid"
    }

    /// Whether the same filter may be valid later: never.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl ItemFilter {
    /// The filter that a JSON object describes.
    ///
    /// # Errors
    /// An object with an operator has a word that is none.
    pub fn new(filter: Map<String, Value>) -> Result<Self, FilterError> {
        let tests = filter.into_iter().map(|(name, wanted)| Ok((name, Test::new(wanted)?)));
        tests.collect::<Result<_, _>>().map(Self)
    }

    /// Whether every value passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the value of an item passes.
    #[must_use]
    pub fn fits(&self, value: &Map<String, Value>) -> bool {
        self.0.iter().all(|(name, test)| test.passes(value.get(name).unwrap_or(&Value::Null)))
    }
}

impl Test {
    fn new(wanted: Value) -> Result<Self, FilterError> {
        Ok(match wanted {
            Value::Object(fields) if fields.keys().any(|name| name.starts_with('$')) => {
                let operators = fields.into_iter().map(|(name, value)| Ok((Operator::of(name)?, value)));
                Self::All(operators.collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => Self::Fields(ItemFilter::new(fields)?),
            Value::Array(items) => Self::List(items.into_iter().map(Self::new).collect::<Result<_, _>>()?),
            scalar => Self::Equal(scalar),
        })
    }

    fn passes(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Equal(wanted), value) => same(value, wanted),
            (Self::List(tests), Value::Array(items)) => {
                tests.len() == items.len() && tests.iter().zip(items).all(|(test, item)| test.passes(item))
            }
            (Self::Fields(filter), Value::Object(fields)) => filter.fits(fields),
            (Self::All(operators), value) => {
                operators.iter().all(|(operator, wanted)| operator.holds(value, wanted))
            }
            (Self::List(_) | Self::Fields(_), _) => false,
        }
    }
}

impl Operator {
    fn of(word: String) -> Result<Self, FilterError> {
        Ok(match word.as_str() {
            "$eq" => Self::Equal,
            "$ne" => Self::NotEqual,
            "$gt" => Self::Greater,
            "$gte" => Self::GreaterOrEqual,
            "$lt" => Self::Less,
            "$lte" => Self::LessOrEqual,
            _ => return Err(FilterError { operator: word }),
        })
    }

    fn holds(self, value: &Value, wanted: &Value) -> bool {
        match self {
            Self::Equal => same(value, wanted),
            Self::NotEqual => !same(value, wanted),
            Self::Greater => order(value, wanted).is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => order(value, wanted).is_some_and(Ordering::is_ge),
            Self::Less => order(value, wanted).is_some_and(Ordering::is_lt),
            Self::LessOrEqual => order(value, wanted).is_some_and(Ordering::is_le),
        }
    }
}

/// Whether two values are equal; 1 and 1.0 are.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => order(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// The order of two numbers, of texts that are numbers, or of two other texts.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return Some(a.cmp(&b));
    }
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.partial_cmp(&b),
        _ => Some(a.as_str()?.cmp(b.as_str()?)),
    }
}

/// Whole numbers are compared as such: beyond 53 bits a float has no room for all of them.
fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    }
}
