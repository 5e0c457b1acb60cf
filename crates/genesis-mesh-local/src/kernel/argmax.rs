//! The largest of a row of logits.
//!
//! Owns: `argmax`.
//! Never: samples; `sample.rs` does.

use super::lanes::Lanes;

/// The index of the largest number, the lower one of equals; 0 if none is above negative infinity.
///
/// # Safety
/// The features of `L`.
#[inline(always)]
pub(super) unsafe fn argmax<L: Lanes>(logits: &[f32]) -> u32 {
    unsafe {
        let mut best = (L::splat(f32::NEG_INFINITY), L::splat_int(0));
        let (chunks, rest) = logits.as_chunks::<16>();
        for (i, chunk) in chunks.iter().enumerate() {
            best = L::keep_greater(best, L::load(chunk.as_ptr()), L::splat_int(i as i32));
        }
        let (mut values, mut indices) = ([0.0f32; 16], [0i32; 16]);
        L::store(values.as_mut_ptr(), best.0);
        L::store_int(indices.as_mut_ptr(), best.1);
        let lanes = values.into_iter().zip(indices).enumerate();
        let lanes = lanes.map(|(lane, (value, chunk))| (value, chunk as u32 * 16 + lane as u32));
        let tail = rest.iter().enumerate().map(|(i, &value)| (value, (chunks.len() * 16 + i) as u32));
        let greater = |best: (f32, u32), next: (f32, u32)| {
            if next.0 > best.0 || (next.0 == best.0 && next.1 < best.1) { next } else { best }
        };
        let best = lanes.chain(tail).fold((f32::NEG_INFINITY, u32::MAX), greater);
        if best.0 > f32::NEG_INFINITY { best.1 } else { 0 }
    }
}
