//! From a validator's error to sentences: where, what is expected, what was given.
//!
//! Owns: paths such as `messages[0].role`, and the choice of the branch that a value meant in `oneOf`.
//! Never: decides whether a value is valid.
//! Flow: `Schema::check` calls `problems` for each error.

use super::{InputProblem, PROBLEMS_MAX};
use crate::name;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;
use std::fmt::Write as _;

/// The most characters of a given text that a message repeats: enough to recognise it.
const SHOWN_CHARS_MAX: usize = 40;

/// The longest sentence of the validator's own, in characters.
const SENTENCE_CHARS_MAX: usize = 400;

/// The problems that `error` stands for: one, or up to `PROBLEMS_MAX` for unknown fields and chosen branches.
pub(super) fn problems(schema: &Value, root: &Value, error: &ValidationError<'_>) -> Vec<InputProblem> {
    let at = path(error.instance_path());
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = known_fields(schema, error);
            let problem = |field: &String| InputProblem {
                path: field_path(&at, field),
                message: unknown_field(field, &known),
            };
            unexpected.iter().take(PROBLEMS_MAX).map(problem).collect()
        }
        Kind::Required { property } => {
            let field = property.as_str().unwrap_or_default();
            vec![InputProblem { path: field_path(&at, field), message: "this field is required".to_owned() }]
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            alternatives(schema, root, error, context)
        }
        Kind::OneOfMultipleValid { .. } => {
            let message = match required_choices(schema, error) {
                Some(fields) => {
                    let given = fields.iter().filter(|field| error.instance().get(field.as_str()).is_some());
                    format!("give only one of {}", name::list(given.map(String::as_str)))
                }
                None => "matches more than one of the allowed forms".to_owned(),
            };
            vec![InputProblem { path: at, message }]
        }
        kind => vec![InputProblem { path: at, message: sentence(kind, error) }],
    }
}

/// A path as people write it: `messages[0].role`.
pub(super) fn path(location: &Location) -> String {
    location.iter().fold(String::new(), |mut path, segment| match segment {
        LocationSegment::Index(index) => {
            let _ = write!(path, "[{index}]");
            path
        }
        LocationSegment::Property(field) => field_path(&path, &field),
    })
}

/// The path of a field of `parent`: the name as it is if it is short and plain, else as JSON text, cut.
pub(super) fn field_path(parent: &str, field: &str) -> String {
    let plain = !field.is_empty()
        && is_short(field)
        && field.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'));
    match (plain, parent.is_empty()) {
        (true, true) => field.to_owned(),
        (true, false) => format!("{parent}.{field}"),
        (false, _) => format!("{parent}[{}]", shown_text(field)),
    }
}

fn unknown_field(field: &str, known: &[String]) -> String {
    let known_names = || known.iter().map(String::as_str);
    let nearest = if is_short(field) { name::nearest(field, known_names()) } else { None };
    let hint = match nearest {
        Some(near) => format!(", perhaps `{near}` is meant"),
        None => String::new(),
    };
    format!("unknown field{hint}; known fields: {}", name::list(known_names()))
}

/// The fields that the object schema at fault declares.
fn known_fields(schema: &Value, error: &ValidationError<'_>) -> Vec<String> {
    let keyword = error.schema_path().as_str();
    let object = keyword.rsplit_once('/').and_then(|(object, _)| schema.pointer(object));
    let properties = object.and_then(|object| object.get("properties")).and_then(Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

/// The field of each branch if every branch of the `oneOf` at fault says `{"required": [field]}` alone.
fn required_choices(schema: &Value, error: &ValidationError<'_>) -> Option<Vec<String>> {
    let branches = schema.pointer(error.schema_path().as_str())?.as_array()?;
    let field = |branch: &Value| match branch.as_object()? {
        object if object.len() == 1 => match object.get("required")?.as_array()?.as_slice() {
            [Value::String(field)] => Some(field.clone()),
            _ => None,
        },
        _ => None,
    };
    branches.iter().map(field).collect()
}

/// Finds the branch that the value meant: that of its tag, else that of its type, else the nearest one.
fn alternatives(
    schema: &Value,
    root: &Value,
    error: &ValidationError<'_>,
    branches: &[Vec<ValidationError<'static>>],
) -> Vec<InputProblem> {
    let at = path(error.instance_path());
    if let Some(fields) = required_choices(schema, error) {
        let message = format!("one of {} is required", name::list(fields.iter().map(String::as_str)));
        return vec![InputProblem { path: at, message }];
    }
    let meant = branches.iter().filter(|errors| !errors.iter().any(|inner| rules_out(error, inner)));
    if let Some(nearest) = meant.min_by_key(|errors| errors.len()) {
        let found = nearest.iter().flat_map(|inner| problems(schema, root, inner));
        return found.take(PROBLEMS_MAX).collect();
    }
    let tags: Vec<(&Location, String)> = branches.iter().flatten().filter_map(tag).collect();
    if let Some((tag_location, _)) = tags.first() {
        // Items of a list have tags too, at places of their own.
        let here = tags.iter().filter(|(location, _)| location == tag_location);
        let allowed = here.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ");
        let given = root.pointer(tag_location.as_str()).map(shown).unwrap_or_default();
        let message = format!("expected one of {allowed}, got {given}");
        return vec![InputProblem { path: path(tag_location), message }];
    }
    let types = branches.iter().flatten().filter(|inner| inner.instance_path() == error.instance_path());
    let names = types.filter_map(|inner| match inner.kind() {
        Kind::Type { kind } => Some(type_names(kind)),
        _ => None,
    });
    let mut names: Vec<&'static str> = names.flatten().collect();
    names.dedup();
    vec![InputProblem { path: at, message: expected_type(&names, error.instance()) }]
}

/// Whether `inner` shows that its branch is not the one that the value meant.
fn rules_out(outer: &ValidationError<'_>, inner: &ValidationError<'_>) -> bool {
    match inner.kind() {
        Kind::Type { .. } => inner.instance_path() == outer.instance_path(),
        Kind::Constant { .. } => true,
        _ => false,
    }
}

/// The place and the wanted value of a branch's tag (`"type": {"const": …}`).
fn tag<'a>(inner: &'a ValidationError<'_>) -> Option<(&'a Location, String)> {
    match inner.kind() {
        Kind::Constant { expected_value } => Some((inner.instance_path(), shown(expected_value))),
        _ => None,
    }
}

fn sentence(kind: &Kind, error: &ValidationError<'_>) -> String {
    let given: &Value = error.instance();
    let value = shown(given);
    match kind {
        Kind::Type { kind } => expected_type(&type_names(kind), given),
        Kind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let options = options.iter().map(shown).collect::<Vec<_>>().join(", ");
            format!("expected one of {options}, got {value}")
        }
        Kind::Constant { expected_value } => format!("expected {}, got {value}", shown(expected_value)),
        Kind::Minimum { limit } => format!("must be at least {limit}, got {value}"),
        Kind::Maximum { limit } => format!("must be at most {limit}, got {value}"),
        Kind::ExclusiveMinimum { limit } => format!("must be greater than {limit}, got {value}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}, got {value}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters, got {value}"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters, got {}", length(given)),
        Kind::MinItems { limit } => format!("must have at least {limit} items, got {value}"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items, got {value}"),
        Kind::Pattern { pattern } => format!("must match the pattern `{pattern}`, got {value}"),
        _ => cut(&error.masked_with(value).to_string(), SENTENCE_CHARS_MAX),
    }
}

fn type_names(kind: &TypeKind) -> Vec<&'static str> {
    match kind {
        TypeKind::Single(kind) => vec![kind.as_str()],
        TypeKind::Multiple(kinds) => kinds.iter().map(JsonType::as_str).collect(),
    }
}

/// `null` is left out beside other types: it only means that the field may be absent.
fn expected_type(names: &[&str], given: &Value) -> String {
    let named: Vec<&str> = names.iter().copied().filter(|name| *name != "null" || names.len() == 1).collect();
    format!("expected {}, got {}", named.join(" or "), shown(given))
}

/// A value as a message shows it: whole if small, else what it is.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => shown_text(text),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        scalar => scalar.to_string(),
    }
}

fn shown_text(text: &str) -> String {
    Value::String(cut(text, SHOWN_CHARS_MAX)).to_string()
}

/// Whether a name is short enough to be told whole.
fn is_short(name: &str) -> bool {
    name.chars().nth(SHOWN_CHARS_MAX).is_none()
}

/// The first characters of `text`, with `…` if there are more.
fn cut(text: &str, chars_max: usize) -> String {
    let mut short: String = text.chars().take(chars_max).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn length(value: &Value) -> String {
    value.as_str().map(|text| text.chars().count().to_string()).unwrap_or_default()
}
