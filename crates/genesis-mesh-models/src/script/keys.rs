//! The keys of a script, table by table.
//!
//! Owns: which keys exist where, and the error for one that does not.
//! Never: looks at a value's type or meaning; `form` and `Script` do.

use super::fault::ScriptError;
use super::line_at;
use toml::de::{DeTable, DeValue};

/// A key, with the keys of the table (or of the list of tables) that it holds. Empty: any value.
struct Key(&'static str, &'static [Key]);

const SCRIPT: &[Key] =
    &[Key("name", &[]), Key("context_tokens", &[]), Key("goes_on", &[]), Key("rule", RULE)];

const RULE: &[Key] = &[
    Key("when", WHEN),
    Key("text", &[]),
    Key("piece_chars", &[]),
    Key("pieces", &[]),
    Key("repeat", &[]),
    Key("tool_calls", TOOL_CALL),
    Key("delay_ms", &[]),
    Key("error", ERROR),
    Key("cut_after", &[]),
    Key("usage", USAGE),
];

const WHEN: &[Key] = &[
    Key("contains", &[]),
    Key("matches", &[]),
    Key("conversation_contains", &[]),
    Key("conversation_matches", &[]),
    Key("role", &[]),
    Key("has_tools", &[]),
    Key("tool", &[]),
];

const TOOL_CALL: &[Key] = &[Key("name", &[]), Key("arguments", &[]), Key("pieces", &[]), Key("id", &[])];

const ERROR: &[Key] = &[
    Key("code", &[]),
    Key("message", &[]),
    Key("param", &[]),
    Key("queued", &[]),
    Key("prompt_tokens", &[]),
    Key("context_tokens", &[]),
];

const USAGE: &[Key] = &[Key("input_tokens", &[]), Key("output_tokens", &[])];

/// Finds the first key that a script does not have. A text that is no TOML passes: the parser speaks about it.
pub(super) fn check(text: &str) -> Result<(), ScriptError> {
    DeTable::parse(text).map_or(Ok(()), |table| check_table(table.get_ref(), SCRIPT, text))
}

fn check_table(table: &DeTable<'_>, known: &'static [Key], text: &str) -> Result<(), ScriptError> {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        match known.iter().find(|Key(known, _)| *known == name) {
            Some(Key(_, [])) => {}
            Some(Key(_, nested)) => check_value(value.get_ref(), nested, text)?,
            None => {
                let distance = |Key(known, _): &&Key| strsim::damerau_levenshtein(known, name);
                return Err(ScriptError::UnknownKey {
                    line: line_at(text, key.span().start),
                    key: name.to_owned(),
                    nearest: known.iter().min_by_key(distance).map_or("", |Key(known, _)| known),
                });
            }
        }
    }
    Ok(())
}

fn check_value(value: &DeValue<'_>, known: &'static [Key], text: &str) -> Result<(), ScriptError> {
    match value {
        DeValue::Table(table) => check_table(table, known, text),
        DeValue::Array(values) => {
            values.iter().try_for_each(|value| check_value(value.get_ref(), known, text))
        }
        // The wrong type: the parser speaks about it.
        _ => Ok(()),
    }
}

/// Every key of the format, for the test that holds the page to it.
#[cfg(test)]
pub(super) fn all() -> Vec<&'static str> {
    let nested = |keys: &'static [Key]| keys.iter().map(|Key(name, _)| *name);
    [SCRIPT, RULE, WHEN, TOOL_CALL, ERROR, USAGE].into_iter().flat_map(nested).collect()
}
