//! A typed state with one channel of each kind that is stored.

use genesis_mesh_core::state::{Add, Append, ChannelKind, Field, Last, Shape};

#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    log: Vec<String>,
    x: i64,
    n: i64,
    late: String,
    now: String,
    any: String,
    topic: Vec<String>,
}

pub(crate) const LOG: u32 = 0;
pub(crate) const X: u32 = 1;
pub(crate) const N: u32 = 2;
pub(crate) const LATE: u32 = 3;
pub(crate) const NOW: u32 = 4;
pub(crate) const ANY: u32 = 5;
pub(crate) const TOPIC: u32 = 6;

pub(crate) fn shape() -> Shape {
    let channels = vec![
        Field::<Log, Vec<String>, Append>::channel("log", ChannelKind::Reduce, |s| &s.log, |s| &mut s.log),
        Field::<Log, i64, Last>::channel("x", ChannelKind::Last, |s| &s.x, |s| &mut s.x),
        Field::<Log, i64, Add>::channel("n", ChannelKind::Reduce, |s| &s.n, |s| &mut s.n),
        Field::<Log, String, Last>::channel("late", ChannelKind::AfterFinish, |s| &s.late, |s| &mut s.late),
        Field::<Log, String, Last>::channel(
            "now",
            ChannelKind::Ephemeral { guard: false },
            |s| &s.now,
            |s| &mut s.now,
        ),
        Field::<Log, String, Last>::channel("any", ChannelKind::Any, |s| &s.any, |s| &mut s.any),
        Field::<Log, Vec<String>, Append>::channel(
            "topic",
            ChannelKind::Topic { accumulate: false },
            |s| &s.topic,
            |s| &mut s.topic,
        ),
    ];
    Shape::new(channels, Log::default)
}
