//! What a line of a person means: a question, or an order that starts with `/`.
//!
//! Owns: the orders and their words.
//! Never: obeys them.

/// What `/help` says.
pub(super) const HELP: &str = "\
/model NAME    talk with another agent; without NAME, list them
/system TEXT   what the agent should be; without TEXT, nothing
/reset         a new conversation
/save FILE     write the conversation as JSON into a new file
/quit          end (Ctrl-D too)
Ctrl-C stops an answer.";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order<'a> {
    Nothing,
    Say(&'a str),
    Model(Option<&'a str>),
    System(Option<&'a str>),
    Reset,
    Save(&'a str),
    Help,
    Quit,
    Unknown(&'a str),
}

/// Reads a line. Only a known word after `/` is an order: a path is not, and one that is misspelled is told.
pub(super) fn read(line: &str) -> Order<'_> {
    let line = line.trim();
    if line.is_empty() {
        return Order::Nothing;
    }
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let Some(name) = word.strip_prefix('/').filter(|name| !name.contains('/')) else {
        return Order::Say(line);
    };
    let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
    match (name, rest) {
        ("model", name) => Order::Model(name),
        ("system", text) => Order::System(text),
        ("reset", _) => Order::Reset,
        ("save", Some(path)) => Order::Save(path),
        ("save" | "help", _) => Order::Help,
        ("quit" | "exit", _) => Order::Quit,
        _ => Order::Unknown(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_question_or_an_order() {
        for (line, expected) in [
            ("  ", Order::Nothing),
            (" What is 1/2? ", Order::Say("What is 1/2?")),
            ("/etc/passwd is what?", Order::Say("/etc/passwd is what?")),
            ("/model  tiny", Order::Model(Some("tiny"))),
            ("/model", Order::Model(None)),
            ("/system be  brief", Order::System(Some("be  brief"))),
            ("/reset", Order::Reset),
            ("/save a b.json", Order::Save("a b.json")),
            ("/save", Order::Help),
            ("/quit", Order::Quit),
            ("/qiut", Order::Unknown("/qiut")),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
