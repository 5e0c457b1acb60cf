//! Ids of tool calls.
//!
//! Owns: making new ones, and making foreign ones fit a template.
//! Never: reads a clock or a source of randomness: a seeded answer has the same ids when it is repeated.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters after `call_`, as `OpenAI` has them: 142 bits.
const ID_CHARS: usize = 24;

/// Characters of an id in Mistral's templates, which refuse every other.
const SHORT_ID_CHARS: usize = 9;

/// The ids of one answer's calls: `call_` and 24 letters and digits.
///
/// They depend on the seed, the prompt and the number of the call in the answer. A conversation that goes on has
/// another prompt, so its ids stay different under one seed; without a seed they differ in every answer.
#[derive(Debug, Clone)]
pub(crate) struct CallIds {
    draws: ChaCha8Rng,
}

impl CallIds {
    /// Ids for the answer to `prompt`.
    pub(crate) fn new(seed: u64, prompt: &[u32]) -> Self {
        let bytes = prompt.iter().flat_map(|token| token.to_le_bytes());
        Self { draws: ChaCha8Rng::seed_from_u64(seed ^ hash(bytes)) }
    }

    /// The id of the next call.
    pub(super) fn next_id(&mut self) -> String {
        format!("call_{}", text(&mut self.draws, ID_CHARS))
    }
}

/// `id` as nine letters and digits: itself if it is that, else a text that stands for it.
pub(super) fn short(id: &str) -> String {
    if id.len() == SHORT_ID_CHARS && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    text(&mut ChaCha8Rng::seed_from_u64(hash(id.bytes())), SHORT_ID_CHARS)
}

fn text(draws: &mut ChaCha8Rng, chars: usize) -> String {
    let char = |draw: u64| ALPHABET.get((draw % 62) as usize).map_or('0', |byte| char::from(*byte));
    (0..chars).map(|_| char(draws.next_u64())).collect()
}

/// FNV-1a, which stays the same from one build to the next.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}
