//! The lines of a person: edited and remembered on a terminal, plain from a pipe.
//!
//! Owns: the thread that waits for the keyboard, and the history file in the cache folder.
//! Never: reads ahead: a line is read when it is asked for, so that the terminal is free while an answer runs.

use genesis_mesh::local::fetch::cache_dir;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::mpsc;

const PROMPT: &str = "> ";
const HISTORY_FILE: &str = "chat-history";

pub(super) enum Line {
    Text(String),
    /// Ctrl-C at the prompt.
    Interrupt,
    /// Ctrl-D, or the end of the input.
    End,
    Failed(String),
}

/// Lines one by one.
pub(super) struct Lines {
    wishes: SyncSender<()>,
    lines: mpsc::Receiver<Line>,
}

impl Lines {
    /// Starts the reader.
    ///
    /// # Errors
    /// The system refuses a thread, or the terminal can't be used.
    pub(super) fn open() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (wishes, wished) = sync_channel(1);
        let (sender, lines) = mpsc::channel(1);
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let editor = if is_terminal { Some(DefaultEditor::new()?) } else { None };
        std::thread::Builder::new().name("lines".to_owned()).spawn(move || match editor {
            Some(editor) => edited(editor, &wished, &sender),
            None => plain(&wished, &sender),
        })?;
        Ok(Self { wishes, lines })
    }

    /// Asks for a line; call it once for each.
    pub(super) fn ask(&self) {
        // A reader that has ended has said why.
        let _ = self.wishes.try_send(());
    }

    /// The line that was asked for.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Line {
        self.lines.recv().await.unwrap_or(Line::End)
    }
}

fn plain(wished: &Receiver<()>, sender: &mpsc::Sender<Line>) {
    while wished.recv().is_ok() {
        let mut text = String::new();
        let line = match io::stdin().read_line(&mut text) {
            Ok(0) => Line::End,
            Ok(_) => Line::Text(text),
            Err(error) => Line::Failed(error.to_string()),
        };
        if sender.blocking_send(line).is_err() {
            return;
        }
    }
}

fn edited(mut editor: DefaultEditor, wished: &Receiver<()>, sender: &mpsc::Sender<Line>) {
    let history = history_file();
    if let Some(path) = &history {
        // There is none before the first conversation.
        drop(editor.load_history(path));
    }
    while wished.recv().is_ok() {
        let line = match editor.readline(PROMPT) {
            Ok(text) => {
                drop(editor.add_history_entry(text.as_str()));
                if let Some(path) = &history {
                    // A history that can't be kept is not worth a word in a conversation.
                    drop(editor.save_history(path));
                }
                Line::Text(text)
            }
            Err(ReadlineError::Interrupted) => Line::Interrupt,
            Err(ReadlineError::Eof) => Line::End,
            Err(error) => Line::Failed(error.to_string()),
        };
        if sender.blocking_send(line).is_err() {
            return;
        }
    }
}

fn history_file() -> Option<PathBuf> {
    let folder = cache_dir().ok()?;
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join(HISTORY_FILE))
}
