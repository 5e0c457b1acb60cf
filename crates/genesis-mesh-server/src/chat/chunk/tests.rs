//! Chunks against their serde form.

use super::*;
use crate::chat::completion::{ChatUsage, ChunkDelta};
use axum::http::StatusCode;

fn stamp() -> Stamp {
    Stamp { id: "chatcmpl-1\"".into(), created: 1_700_000_000, model: "a\\\"choices\":[]}b".into() }
}

fn events(writer: &mut ChunkWriter) -> String {
    String::from_utf8(writer.take().to_vec()).unwrap()
}

#[test]
fn a_text_written_by_hand_is_the_chunk_that_serde_writes() {
    let all: String = (0..=0x2FF).chain([0x2028, 0xFFFD, 0x1F600]).filter_map(char::from_u32).collect();
    let stamp = stamp();
    let mut writer = ChunkWriter::new(&stamp, false);
    let each = all.chars().map(|one| one.to_string());
    for (index, text) in each.chain([all.clone(), String::new(), "[DONE]\n\ndata: ".into()]).enumerate() {
        let delta = ChunkDelta { content: Some(text.clone()), ..ChunkDelta::default() };
        let choice = ChunkChoice { index, delta, logprobs: None, finish_reason: None };
        writer.text(index, &text);
        let by_hand = events(&mut writer);
        writer.choice(&choice);
        let chunk = ChatChunk { choices: vec![choice], ..ChatChunk::new(&stamp) };
        let by_serde = format!("data: {}\n\n", serde_json::to_string(&chunk).unwrap());
        assert_eq!(by_hand, by_serde, "{text:?}");
        assert_eq!(events(&mut writer), by_serde, "{text:?}");
    }
}

#[test]
fn the_usage_field_is_in_every_chunk_of_a_stream_that_tells_it() {
    let stamp = stamp();
    let mut writer = ChunkWriter::new(&stamp, true);
    writer.text(0, "x");
    let text = events(&mut writer);
    let value: serde_json::Value = serde_json::from_str(text.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(value.get("usage"), Some(&serde_json::Value::Null));
    let usage = ChatUsage { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
    writer.usage(usage);
    let chunk = ChatChunk { usage: Some(usage), ..ChatChunk::new(&stamp) };
    assert_eq!(events(&mut writer), format!("data: {}\n\n", serde_json::to_string(&chunk).unwrap()));
}

#[test]
fn an_error_is_one_event_and_no_end() {
    let mut writer = ChunkWriter::new(&stamp(), false);
    writer.error(&ErrorAnswer::new(StatusCode::BAD_GATEWAY, "model_truncated", "cut\nshort"));
    let text = events(&mut writer);
    assert!(text.starts_with("data: {\"error\":{\"message\":\"cut\\nshort\""), "{text}");
    assert!(text.ends_with("}\n\n") && !text.contains("DONE"), "{text}");
}
