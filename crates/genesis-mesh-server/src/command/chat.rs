//! `genesis-mesh chat`: a conversation in the terminal.
//!
//! Owns: the order of a conversation: a line, an order or a question, the answer as it is made, the next line.
//! Never: ends because of Ctrl-C: that stops the answer. Ctrl-D, `/quit` and SIGTERM end it.
//! Flow: `lines.rs` reads, `order.rs` says what a line means, `talk.rs` asks, `screen.rs` writes.

mod order;
mod conversation;
mod gauge;
mod screen;
mod lines;
mod told;
mod answer;
mod socket;
mod talk;

use super::local;
use super::remote::key;
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::signals::{SignalKind, Signals};
use answer::Answer;
use clap::Args;
use conversation::Conversation;
use gauge::Gauge;
use lines::{Line, Lines};
use order::Order;
use screen::Screen;
use socket::Server;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use talk::Talk;
use told::{Failure, Told};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The agent to talk with; without it the first one
    agent: Option<String>,

    /// A running server, as ws://HOST:PORT; without it the mesh runs in this program
    #[arg(long)]
    url: Option<String>,

    /// A file that holds the server's key; without it GENESIS_MESH_KEY counts
    #[arg(long, value_name = "PATH", requires = "url")]
    key_file: Option<PathBuf>,

    /// What the agent should be, as its system message
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,

    /// The most tokens of an answer
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
}

/// Why the conversation goes no further.
enum End {
    /// The person, or the end of the input.
    Quit,
    /// SIGTERM.
    Terminated,
}

pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Outcome {
    let mut signals = Signals::install()?;
    let (talk, agents) = match &arguments.url {
        Some(url) => (Talk::remote(Server::new(url, key(arguments.key_file.as_deref())?)?), Vec::new()),
        None => match local::mesh(settings, &mut signals).await? {
            Ok(mesh) => {
                let agents = mesh.agents().map(|agent| agent.name.clone()).collect();
                (Talk::local(mesh), agents)
            }
            Err(stopped) => return stopped,
        },
    };
    let agent = arguments.agent.or_else(|| agents.first().cloned());
    let agent = agent.ok_or("name the server's agent: genesis-mesh chat AGENT --url URL")?;
    let conversation = Conversation::new(arguments.system, arguments.max_tokens);
    let mut chat = Chat { talk, agents, agent, conversation, screen: Screen::new(), failures: 0 };
    chat.screen.welcome(&chat.agent)?;
    let end = chat.run(&mut signals, Lines::open()?).await?;
    // In a script the status says whether every question was answered.
    let is_good = matches!(end, End::Quit) && (chat.failures == 0 || chat.screen.is_terminal());
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Chat {
    talk: Talk,
    agents: Vec<String>,
    agent: String,
    conversation: Conversation,
    screen: Screen,
    failures: usize,
}

type Problem = Box<dyn Error + Send + Sync>;

impl Chat {
    async fn run(&mut self, signals: &mut Signals, mut lines: Lines) -> Result<End, Problem> {
        lines.ask();
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                signal = signals.next_kind() => match signal {
                    SignalKind::Terminate => return Ok(End::Terminated),
                    SignalKind::Interrupt => {
                        self.screen.note("nothing runs; /quit or Ctrl-D ends the conversation")?;
                        continue;
                    }
                },
            };
            let end = match line {
                Line::Text(text) => self.obey(&text, signals).await?,
                Line::Interrupt => {
                    self.screen.note("/quit or Ctrl-D ends the conversation")?;
                    None
                }
                Line::End => Some(End::Quit),
                Line::Failed(error) => return Err(error.into()),
            };
            if let Some(end) = end {
                return Ok(end);
            }
            lines.ask();
        }
    }

    async fn obey(&mut self, line: &str, signals: &mut Signals) -> Result<Option<End>, Problem> {
        match order::read(line) {
            Order::Nothing => {}
            Order::Say(text) => return self.answer(text, signals).await,
            Order::Quit => return Ok(Some(End::Quit)),
            Order::Help => self.screen.note(order::HELP)?,
            Order::Model(None) => {
                self.screen.note(&format!("{}; there are: {}", self.agent, self.agents.join(", ")))?;
            }
            Order::Model(Some(name)) => {
                if self.agents.is_empty() || self.agents.iter().any(|agent| agent == name) {
                    name.clone_into(&mut self.agent);
                    self.screen.note(&format!("now with {name}"))?;
                } else {
                    let known = self.agents.join(", ");
                    self.screen.note(&format!("no agent is named {name}; there are: {known}"))?;
                }
            }
            Order::System(text) => {
                self.conversation.set_system(text);
                self.screen.note(if text.is_some() { "set, from the next answer on" } else { "removed" })?;
            }
            Order::Reset => {
                self.conversation.reset();
                self.screen.note("a new conversation")?;
            }
            Order::Save(path) => match self.conversation.save(Path::new(path)) {
                Ok(count) => self.screen.note(&format!("{count} messages are in {path}"))?,
                Err(error) => self.screen.note(&format!("{path}: {error}"))?,
            },
            Order::Unknown(order) => {
                self.screen.note(&format!("no order is named {order}; /help lists them"))?;
            }
        }
        Ok(None)
    }

    /// Asks, and shows the answer while it is made. What comes of a stopped answer is part of the conversation.
    async fn answer(&mut self, text: &str, signals: &mut Signals) -> Result<Option<End>, Problem> {
        self.conversation.ask(text);
        let mut gauge = Gauge::start();
        let (mut answer, mut end) = (Answer::default(), None);
        let asked = tokio::select! {
            asked = self.talk.ask(&self.agent, &self.conversation) => asked,
            signal = signals.next_kind() => {
                self.talk.abandon();
                self.conversation.forget_question();
                self.screen.note("stopped")?;
                return Ok((signal == SignalKind::Terminate).then_some(End::Terminated));
            }
        };
        let mut told = asked.err().map(Told::Failed);
        loop {
            let now = match told.take() {
                Some(told) => told,
                None => tokio::select! {
                    told = self.talk.next() => told,
                    signal = signals.next_kind() => {
                        if signal == SignalKind::Terminate {
                            end = Some(End::Terminated);
                        }
                        self.talk.cancel().await;
                        continue;
                    }
                },
            };
            match now {
                Told::Text { message, text } => {
                    gauge.piece();
                    self.screen.piece(&text)?;
                    answer.push(message, &text);
                }
                Told::Void(message) => {
                    self.screen.void()?;
                    answer.void(message.as_deref());
                }
                Told::Lost(why) => self.screen.note(&format!("\n{why}; coming back"))?,
                Told::Call(call) => self.screen.piece(&call)?,
                Told::Nothing => {}
                Told::End { output_tokens, finish_reason } => {
                    self.screen.end(&gauge.read(output_tokens), &finish_reason)?;
                    self.conversation.answer(answer.text());
                    return Ok(end);
                }
                Told::Failed(Failure { code, message }) => {
                    self.failures += 1;
                    self.screen.fault(&code, &message)?;
                    self.conversation.forget_question();
                    return Ok(end);
                }
            }
        }
    }
}
