//! An event of a log as a line for people.
//!
//! Owns: which fields of an event say most, and how much of them is shown.
//! Never: changes what `--json` writes.

use serde_json::Value;

/// So much of an event is shown: it is a line, and `--json` has all.
const LETTERS_MAX: usize = 160;

/// The event in a line, with its number.
pub(super) fn line(event: &Value) -> String {
    let field = |name: &str| event.get(name).unwrap_or(&Value::Null);
    let seq = field("seq").as_u64().unwrap_or(0);
    if let Some(failed) = event.get("error") {
        return format!("{seq:>5}  {:14}  {}", "error", plain(&error(failed)));
    }
    let kind = field("type").as_str().unwrap_or("?");
    let what = match kind {
        "run" => field("thread_id").as_str().map_or_else(String::new, |thread| format!("on thread {thread}")),
        "delta" => field("text").to_string(),
        "tool_call" => format!("{}({})", word(field("name")), word(field("arguments"))),
        "update" => format!("{} {}", word(field("node")), field("values")),
        "custom" => format!("{} {}", word(field("node")), field("value")),
        "interrupt" => field("interrupts").to_string(),
        "output" => field("value").to_string(),
        "done" => {
            let tokens = field("usage").get("output_tokens").and_then(Value::as_u64).unwrap_or(0);
            format!("{}, {tokens} tokens", word(field("finish_reason")))
        }
        _ => rest(event),
    };
    format!("{seq:>5}  {kind:14}  {}", plain(&what)).trim_end().to_owned()
}

/// An error as its message and its code.
pub(super) fn error(error: &Value) -> String {
    let field = |name: &str| error.get(name).map(word).unwrap_or_default();
    format!("{} ({})", field("message"), field("code"))
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The fields that are no number and no name.
fn rest(event: &Value) -> String {
    let mut rest = event.clone();
    if let Some(fields) = rest.as_object_mut() {
        fields.remove("seq");
        fields.remove("type");
    }
    rest.to_string()
}

/// A text in one line, cut where it is long, without what moves a person's cursor.
pub(super) fn plain(text: &str) -> String {
    let mut letters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = letters.by_ref().take(LETTERS_MAX).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_event_is_one_line_whatever_is_in_it() {
        for (event, told) in [
            (
                json!({"type": "delta", "text": "a\nb\u{1b}", "seq": 2}),
                r#"    2  delta           "a\nb\u001b""#,
            ),
            (
                json!({"type": "update", "node": "n", "values": {"x": 1}, "seq": 3}),
                r#"    3  update          n {"x":1}"#,
            ),
            (
                json!({"type": "done", "usage": {"output_tokens": 7}, "finish_reason": "stop", "seq": 4}),
                "    4  done            stop, 7 tokens",
            ),
            (
                json!({"type": "error", "error": {"code": "c", "message": "m\r\u{7}"}, "seq": 5}),
                "    5  error           m   (c)",
            ),
            (json!({"type": "reset", "attempt": 2, "seq": 6}), r#"    6  reset           {"attempt":2}"#),
            (json!({"type": "run", "run_id": "x", "seq": 1}), "    1  run"),
        ] {
            assert_eq!(line(&event), told);
        }
        let long = json!({"type": "output", "value": "x".repeat(500), "seq": 1});
        assert!(line(&long).ends_with("xxx…"));
    }
}
