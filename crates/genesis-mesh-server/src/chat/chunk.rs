//! Chunks as the bytes of server-sent events, written into one buffer that becomes a frame of the body.
//!
//! Owns: the event framing, and the chunk of a text delta, which is written by hand since it is sent for each token.
//! Never: decides what is sent; `stream` does.
//! Source: WHATWG server-sent events; the `OpenAI` chat API ends a stream with `data: [DONE]`.

use super::completion::{ChatChunk, ChatUsage, ChunkChoice};
use super::stamp::Stamp;
use crate::escape::escape;
use crate::http::answer::ErrorAnswer;
use bytes::Bytes;
use serde::Serialize;
use std::mem;

/// Writes the chunks of one answer.
#[derive(Debug)]
pub(super) struct ChunkWriter {
    /// An event up to the choices' `[`.
    head: String,
    /// An event after the choices' `]`.
    tail: &'static str,
    buffer: Vec<u8>,
}

impl ChunkWriter {
    /// Space for a few chunks, in bytes; a frame that grows beyond it pays for that.
    const RESERVED_BYTES: usize = 1024;

    /// Writes chunks of `stamp`; `has_usage` if the stream will tell its usage, so that each chunk has the field.
    pub(super) fn new(stamp: &Stamp, has_usage: bool) -> Self {
        let chunk = serde_json::to_string(&ChatChunk::new(stamp)).unwrap_or_default();
        let head = format!("data: {}", chunk.strip_suffix("]}").unwrap_or_default());
        let tail = if has_usage { "],\"usage\":null}\n\n" } else { "]}\n\n" };
        Self { head, tail, buffer: Vec::new() }
    }

    /// How much is written and not taken, in bytes.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// What is written, as one frame.
    pub(super) fn take(&mut self) -> Bytes {
        Bytes::from(mem::take(&mut self.buffer))
    }

    /// The next piece of the text of choice `index`.
    pub(super) fn text(&mut self, index: usize, text: &str) {
        self.start_event();
        self.buffer.extend_from_slice(br#"{"index":"#);
        self.buffer.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
        self.buffer.extend_from_slice(br#","delta":{"content":""#);
        escape(text, &mut self.buffer);
        self.buffer.extend_from_slice(br#""},"logprobs":null,"finish_reason":null}"#);
        self.buffer.extend_from_slice(self.tail.as_bytes());
    }

    /// Any news of a choice.
    pub(super) fn choice(&mut self, choice: &ChunkChoice) {
        self.start_event();
        self.json(choice);
        self.buffer.extend_from_slice(self.tail.as_bytes());
    }

    /// What the answer cost: a chunk without choices.
    pub(super) fn usage(&mut self, usage: ChatUsage) {
        self.start_event();
        self.buffer.extend_from_slice(b"],\"usage\":");
        self.json(&usage);
        self.buffer.extend_from_slice(b"}\n\n");
    }

    /// The failure that ends the stream.
    pub(super) fn error(&mut self, error: &ErrorAnswer) {
        self.buffer.extend_from_slice(b"data: ");
        self.json(&error.body());
        self.buffer.extend_from_slice(b"\n\n");
    }

    /// The end of a stream that is whole.
    pub(super) fn done(&mut self) {
        self.buffer.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// A comment, which keeps proxies from closing a connection that says nothing.
    pub(super) fn comment(&mut self) {
        self.buffer.extend_from_slice(b": \n\n");
    }

    fn start_event(&mut self) {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(Self::RESERVED_BYTES);
        }
        self.buffer.extend_from_slice(self.head.as_bytes());
    }

    fn json(&mut self, value: &impl Serialize) {
        if let Err(error) = serde_json::to_writer(&mut self.buffer, value) {
            tracing::error!(%error, "a chunk could not be encoded");
        }
    }
}

#[cfg(test)]
mod tests;
