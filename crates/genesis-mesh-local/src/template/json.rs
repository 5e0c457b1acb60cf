//! The filter `tojson` as templates expect it: the JSON text that Python's `json.dumps` writes.
//!
//! Owns: its spacing; no escapes for HTML, unlike the engine's own filter.
//! Never: escapes characters outside of ASCII.
//! Source: `_compile_jinja_template` in the library `transformers`.

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// More spaces than any template indents by; bounds what a hostile one can make of a deep value.
const INDENT_MAX: usize = 16;

#[expect(clippy::needless_pass_by_value, reason = "the engine hands keyword arguments over by value")]
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Accepted as `transformers` accepts them; texts are never escaped to ASCII.
    let _: Option<bool> = options.get("ensure_ascii")?;
    let _: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let text = match indent {
        Some(indent) => {
            let spaces = " ".repeat(indent.min(INDENT_MAX));
            written(value, PrettyFormatter::with_indent(spaces.as_bytes()))
        }
        None => spaced(value),
    };
    text.map(Value::from_safe_string)
        .map_err(|reason| Error::new(ErrorKind::BadSerialization, format!("tojson: {reason}")))
}

/// `value` as JSON text with a space after each comma and colon.
pub(super) fn spaced(value: &impl Serialize) -> Result<String, String> {
    written(value, Spaced)
}

fn written(value: &impl Serialize, formatter: impl Formatter) -> Result<String, String> {
    let mut json = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut json, formatter))
        .map_err(|error| error.to_string())
        .and_then(|()| String::from_utf8(json).map_err(|error| error.to_string()))
}

/// One space after each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
