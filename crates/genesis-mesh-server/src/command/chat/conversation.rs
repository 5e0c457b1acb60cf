//! The conversation so far.
//!
//! Owns: its messages, what is asked of them, and their form in a file.
//! Never: overwrites a file.

use genesis_mesh::{GenerateRequest, Message, Prompt, Role};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

pub(super) struct Conversation {
    system: Option<String>,
    messages: Vec<Message>,
    max_tokens: Option<u32>,
}

impl Conversation {
    pub(super) fn new(system: Option<String>, max_tokens: Option<u32>) -> Self {
        Self { system, messages: Vec::new(), max_tokens }
    }

    pub(super) fn set_system(&mut self, text: Option<&str>) {
        self.system = text.map(str::to_owned);
    }

    /// Forgets all that was said; the system message stays.
    pub(super) fn reset(&mut self) {
        self.messages.clear();
    }

    pub(super) fn ask(&mut self, text: &str) {
        self.messages.push(Message::new(Role::User, text));
    }

    pub(super) fn answer(&mut self, text: String) {
        self.messages.push(Message::new(Role::Assistant, text));
    }

    /// Forgets a question without an answer, so that the next one does not stand beside it.
    pub(super) fn forget_question(&mut self) {
        self.messages.pop_if(|message| message.role == Role::User);
    }

    fn all(&self) -> Vec<Message> {
        let system = self.system.iter().map(|text| Message::new(Role::System, text));
        system.chain(self.messages.iter().cloned()).collect()
    }

    /// What a mesh in this program is asked: a pipeline takes its input from it as well.
    pub(super) fn request(&self) -> GenerateRequest {
        let prompt = Prompt::Messages(self.all());
        GenerateRequest { prompt, max_tokens: self.max_tokens, ..GenerateRequest::default() }
    }

    /// What a server's plain socket is asked.
    pub(super) fn input(&self) -> Value {
        let mut input = json!({"messages": self.all()});
        if let (Some(fields), Some(max)) = (input.as_object_mut(), self.max_tokens) {
            fields.insert("max_tokens".to_owned(), max.into());
        }
        input
    }

    /// Writes the messages into a new file, in the form of an input; says how many they are.
    pub(super) fn save(&self, path: &Path) -> io::Result<usize> {
        let messages = self.all();
        let mut file = File::create_new(path)?;
        serde_json::to_writer_pretty(&mut file, &json!({"messages": &messages}))?;
        writeln!(file)?;
        Ok(messages.len())
    }
}
