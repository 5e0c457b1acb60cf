//! The text of an answer so far.
//!
//! Owns: its pieces by message, so that one message can be taken back.
//! Never: writes on the screen.

/// What an answer has told that stands.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Message and text, in the order in which they came; a message is its graph's, or the whole answer.
    pieces: Vec<(Option<String>, String)>,
}

impl Answer {
    pub(super) fn push(&mut self, message: Option<String>, text: &str) {
        match self.pieces.last_mut() {
            Some((last, pieces)) if *last == message => pieces.push_str(text),
            _ => self.pieces.push((message, text.to_owned())),
        }
    }

    /// Takes a message back, or all of it.
    pub(super) fn void(&mut self, message: Option<&str>) {
        self.pieces.retain(|(of, _)| message.is_some() && of.as_deref() != message);
    }

    pub(super) fn text(self) -> String {
        self.pieces.into_iter().map(|(_, text)| text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_back_alone_and_an_answer_as_a_whole() {
        let told = || {
            let mut answer = Answer::default();
            for (message, text) in [("a", "one"), ("b", " two"), ("a", " three"), ("a", " four")] {
                answer.push(Some(message.to_owned()), text);
            }
            answer
        };
        assert_eq!(told().text(), "one two three four");
        let mut answer = told();
        answer.void(Some("a"));
        assert_eq!(answer.text(), " two");
        let mut answer = told();
        answer.void(None);
        answer.push(None, "again");
        assert_eq!(answer.text(), "again");
    }
}
