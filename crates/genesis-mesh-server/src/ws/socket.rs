//! The socket of one client: messages in, one run at a time, updates out. One task, no channels.
//!
//! Owns: the loop, the state between messages, and what each end is called (the close codes).
//! Never: reads JSON (`plain` does) or waits for a slow client with more than one batch in memory.
//! Flow: each turn sends one batch of what is ready, then reads one message; the run is polled only when
//! the client has taken the batch before, so a slow client slows its own stream and nothing else.

mod work;
mod speech;
mod linger;
mod pulse;
mod farewell;
#[cfg(feature = "echo")]
pub(super) mod echo;

use self::farewell::End;
use self::linger::Linger;
use self::pulse::{Beat, Pulse};
use self::speech::Speech;
use self::work::{Said, Starter, Work};
use super::plain::{self, Command, ErrorReply, MessageError};
use super::query::SocketQuery;
use super::wire::Wire;
use crate::access::Principal;
use crate::app::App;
use crate::options::{BATCH_BYTES, REPLY_BYTES_MAX};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use genesis_mesh::LogError;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};

/// Serves one socket until either side ends it.
pub(super) async fn serve(stream: WebSocketStream<Wire>, app: Arc<App>, principal: Principal, to: Address) {
    let (stopping, ending) = (app.tasks.stopping().clone(), app.tasks.ending().clone());
    let (mut stopped, mut ended) = (pin!(stopping.cancelled()), pin!(ending.cancelled()));
    // On the heap, since a future holds what was moved into it at each place that it was moved to.
    let Address { agent, query } = to;
    let starter = Starter { app: Arc::clone(&app), principal, agent, query };
    let mut socket = Box::new(Socket::new(stream, app, starter));
    let end = loop {
        tokio::select! {
            biased;
            () = &mut ended => {
                if !socket.work.is_idle() {
                    socket.refuse(&MessageError::Stopping);
                }
                break End::Restart;
            }
            () = &mut stopped, if !socket.is_stopping => socket.is_stopping = true,
            // Cancel safe: all state is in `socket`.
            event = poll_fn(|context| socket.poll(context)) => {
                if let Some(end) = socket.handle(event) {
                    break end;
                }
            }
        }
    };
    // What becomes of the run is decided here, before the closing handshake. A stop of the server is no wish of the client.
    let work = std::mem::take(&mut socket.work);
    if end == End::Restart {
        drop(work);
    } else {
        work.leave(&socket.starter);
    }
    farewell::close(&mut socket.stream, end).await;
}

/// What a turn of the loop can end with.
enum Event {
    Received(Message),
    /// The server stops, and the last run of this socket is told.
    Drained,
    Beat(Beat),
    Broken(Error),
    Gone,
}

/// What a socket was opened for.
pub(super) struct Address {
    pub(super) agent: String,
    pub(super) query: SocketQuery,
}

struct Socket {
    stream: WebSocketStream<Wire>,
    app: Arc<App>,
    starter: Starter,
    work: Work,
    speech: Speech,
    linger: Linger,
    pulse: Pulse,
    /// The client has not taken all of the last batch at once: deltas may share frames until it keeps up.
    is_behind: bool,
    /// Bytes were given to the stream that it has not flushed.
    is_dirty: bool,
    /// Bytes of errors that the client was told of and has not taken.
    reply_bytes: usize,
    is_stopping: bool,
}

impl Socket {
    fn new(stream: WebSocketStream<Wire>, app: Arc<App>, starter: Starter) -> Self {
        let pulse = Pulse::new(app.options.ping_interval, app.options.stall);
        let (work, linger) = (Work::default(), Linger::new(app.options.linger));
        Self {
            stream,
            app,
            starter,
            work,
            speech: Speech::default(),
            linger,
            pulse,
            is_behind: false,
            is_dirty: false,
            reply_bytes: 0,
            is_stopping: false,
        }
    }

    /// One turn: sends what is ready, then reads, then looks at the clock.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if let Err(error) = self.poll_send(context) {
            return Poll::Ready(Event::Broken(error));
        }
        if self.is_stopping && self.work.is_idle() && !self.is_dirty {
            return Poll::Ready(Event::Drained);
        }
        if self.reply_bytes < REPLY_BYTES_MAX
            && let Poll::Ready(received) = self.stream.poll_next_unpin(context)
        {
            return Poll::Ready(match received {
                Some(Ok(message)) => Event::Received(message),
                Some(Err(error)) => Event::Broken(error),
                None => Event::Gone,
            });
        }
        // A message that arrives slowly is no silence.
        if self.stream.get_mut().take_heard() {
            self.pulse.heard();
        }
        self.pulse.poll(context).map(Event::Beat)
    }

    /// Flushes, and fills and flushes one batch; leaves the rest for the next turn.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        let mut batch_bytes = 0;
        loop {
            if self.is_dirty {
                let Poll::Ready(flushed) = self.stream.poll_flush_unpin(context) else {
                    self.pulse.blocked();
                    self.is_behind = true;
                    return Ok(());
                };
                flushed?;
                self.pulse.flushed();
                (self.is_dirty, self.reply_bytes) = (false, 0);
                if batch_bytes > 0 {
                    // All of this batch was taken at once.
                    self.is_behind = false;
                    self.linger.begin();
                }
            }
            if self.work.is_idle() {
                self.linger.rest();
                self.stream.get_mut().outbox().rest();
                return Ok(());
            }
            if batch_bytes >= BATCH_BYTES {
                // There may be more: let the other tasks of this thread go first.
                context.waker().wake_by_ref();
                return Ok(());
            }
            if self.linger.poll_waiting(context) {
                return Ok(());
            }
            batch_bytes += self.fill(context);
            if !self.is_dirty {
                return Ok(());
            }
        }
    }

    /// Encodes what there is to say, one batch at most, and gives its bytes.
    fn fill(&mut self, context: &mut Context<'_>) -> usize {
        let (merges, is_stopping) = (self.is_behind || self.linger.is_on(), self.is_stopping);
        let outbox = self.stream.get_mut().outbox();
        let mut bytes = 0;
        while bytes < BATCH_BYTES {
            let Some(said) = self.work.poll(&self.app, context) else { break };
            bytes += match said {
                Said::Update(update) => self.speech.update(&update, merges, outbox),
                Said::Event(event) => self.speech.event(&event, merges, outbox),
                // Logs may end here a moment before sockets are told to.
                Said::Unreadable(LogError::Stopped { .. }) if is_stopping => {
                    self.speech.message(&ErrorReply::from(&MessageError::Stopping), outbox)
                }
                Said::Unreadable(error) => self.speech.message(&ErrorReply::from(&error), outbox),
                Said::NotStarted(error) => self.speech.message(&ErrorReply::from(&error), outbox),
                Said::Failed(error) => self.speech.message(&ErrorReply::from(&error), outbox),
            };
            self.is_dirty = true;
        }
        bytes + self.speech.end(outbox)
    }

    /// Says what happened; `Some` ends the socket.
    fn handle(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Received(message) => {
                // Its bytes may have come with those of the message before.
                self.pulse.heard();
                self.receive(message)
            }
            Event::Drained => Some(End::Restart),
            Event::Beat(Beat::Ping) => {
                self.is_dirty = true;
                let pinged = self.stream.start_send_unpin(Message::Ping(Bytes::new()));
                pinged.is_err().then_some(End::Gone)
            }
            Event::Beat(Beat::Silent) => Some(End::Silent),
            Event::Beat(Beat::Stalled) => Some(End::Stalled),
            Event::Gone => Some(End::Gone),
            Event::Broken(error) => Some(self.broken(error)),
        }
    }

    fn receive(&mut self, message: Message) -> Option<End> {
        let command = match message {
            Message::Text(text) => plain::decode(text.as_str()),
            Message::Binary(_) => Err(MessageError::Binary),
            // The stream answers both by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
            Message::Close(_) => return Some(End::Gone),
        };
        match command {
            Ok(Command::Cancel) => self.work.cancel(&self.app),
            Ok(_) if self.is_stopping => self.refuse(&MessageError::Stopping),
            Ok(_) if !self.work.is_idle() => self.refuse(&MessageError::RunInProgress),
            Ok(Command::Start(ask)) => self.work = Work::start(&mut self.starter, ask),
            Ok(Command::Resume { run, after }) => self.work = Work::resume(&self.starter, run, after),
            Err(error) => self.refuse(&error),
        }
        None
    }

    /// Tells the client of a mistake; the socket goes on.
    fn refuse(&mut self, error: &MessageError) {
        let outbox = self.stream.get_mut().outbox();
        self.reply_bytes += self.speech.message(&ErrorReply::from(error), outbox);
        self.is_dirty = true;
    }

    /// Tells the client what broke its socket, if that was its doing.
    fn broken(&mut self, error: Error) -> End {
        let (told, end) = match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => {
                (MessageError::TooLarge { bytes_max: self.app.options.limits.message_bytes }, End::TooLarge)
            }
            Error::Utf8(_) => (MessageError::InvalidUtf8, End::InvalidUtf8),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return End::Gone,
            Error::Protocol(reason) => {
                (MessageError::Protocol { reason: reason.to_string() }, End::ProtocolError)
            }
            _ => return End::Gone,
        };
        self.refuse(&told);
        end
    }
}
