//! Who holds a permit for how long: the work, not the caller.

use super::*;
use crate::gguf::Metadata;
use crate::tokenizer::tests::byte_level_tokenizer;
use genesis_mesh_core::{Grammar, Message, Role};
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

fn text_side() -> Arc<TextSide> {
    let tokenizer = Arc::new(byte_level_tokenizer());
    let template = ChatTemplate::new(&Metadata::default(), &tokenizer).expect("has <|im_start|>");
    Arc::new(TextSide::new(tokenizer, template, 1 << 20, 4))
}

fn request(words: usize) -> GenerateRequest {
    let prompt = Prompt::Messages(vec![Message::new(Role::User, "word ".repeat(words))]);
    GenerateRequest { prompt, ..GenerateRequest::default() }
}

/// A runtime whose only thread for long work is held until the sender is dropped.
fn held_runtime() -> (tokio::runtime::Runtime, mpsc::Sender<()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().expect("starts");
    let (hold, held) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || held.recv());
    (runtime, hold)
}

#[test]
fn the_permit_for_a_long_text_moves_with_the_work() {
    let (runtime, hold) = held_runtime();
    let text = text_side();
    runtime.block_on(async {
        {
            let mut work = pin!(TextSide::prepare(&text, request(2_000)));
            let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending));
            assert_eq!(text.long_texts.available_permits(), LONG_TEXTS_MAX - 1);
            assert_eq!(text.waiting.load(Ordering::Relaxed), 1);
        }
        // The caller has gone, and its work is still to come: the permit is with it, the place is free.
        assert_eq!(text.long_texts.available_permits(), LONG_TEXTS_MAX - 1);
        assert_eq!(text.waiting.load(Ordering::Relaxed), 0);
        drop(hold);
        // The only thread takes work in its order, so all before this is done after it.
        tokio::task::spawn_blocking(|| ()).await.expect("runs");
        assert_eq!(text.long_texts.available_permits(), LONG_TEXTS_MAX);
    });
}

#[test]
fn a_grammar_waits_for_its_own_permit_and_a_short_text_for_none() {
    let (runtime, hold) = held_runtime();
    let text = text_side();
    runtime.block_on(async {
        let with_grammar = GenerateRequest { grammar: Some(Grammar::JsonObject), ..request(1) };
        let mut work = pin!(TextSide::prepare(&text, with_grammar));
        assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(text.compilations.available_permits(), GRAMMARS_MAX - 1);
        assert_eq!(text.long_texts.available_permits(), LONG_TEXTS_MAX);
        let short = TextSide::prepare(&text, request(1)).await.expect("at once");
        assert!(short.0.grammar.is_none() && !short.0.tokens.is_empty());
        drop(hold);
        assert!(work.await.expect("compiles").0.grammar.is_some());
    });
}
