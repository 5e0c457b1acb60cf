//! `Lanes` without vector instructions: runs anywhere, and is what the other implementations are held to.
//!
//! Owns: the plain meaning of each operation.
//! Never: is fast, but for what the compiler makes of the loops.
#![expect(
    clippy::indexing_slicing,
    reason = "arrays of 16 and 64 lanes, indexed by constants and full ranges"
)]

use super::lanes::Lanes;
use half::f16;
use std::array::from_fn;

#[derive(Clone, Copy)]
pub(crate) struct Scalar;

type F = [f32; 16];
type I = [i32; 16];

/// Reduces lanes `i` and `i + 8`, then `i + 4`, `i + 2`, `i + 1`.
#[inline(always)]
fn reduce<T: Copy>(mut a: [T; 16], f: impl Fn(T, T) -> T) -> T {
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            a[i] = f(a[i], a[i + width]);
        }
    }
    a[0]
}

/// The four signed activations in `x`.
#[inline(always)]
fn quad(x: i32) -> [i32; 4] {
    x.to_le_bytes().map(|byte| i32::from(byte as i8))
}

#[inline(always)]
fn dot(sums: I, w: [u8; 64], x: i32, offset: i32) -> I {
    let x = quad(x);
    from_fn(|row| (0..4).fold(sums[row], |sum, j| sum + (i32::from(w[4 * row + j]) - offset) * x[j]))
}

impl Lanes for Scalar {
    type F = F;
    type I = I;
    type W = [u8; 64];
    type D = I;
    const HAS_32_REGISTERS: bool = false;
    const VALUE_VECTORS: usize = 1;

    #[inline(always)]
    unsafe fn splat(value: f32) -> F {
        [value; 16]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> F {
        unsafe { from.cast::<F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: F) {
        unsafe { to.cast::<F>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load_half(from: *const u16) -> F {
        unsafe { from.cast::<[u16; 16]>().read_unaligned() }.map(|bits| f16::from_bits(bits).to_f32())
    }
    #[inline(always)]
    unsafe fn store_half(to: *mut u16, value: F) {
        let bits = value.map(|lane| f16::from_f32(lane).to_bits());
        unsafe { to.cast::<[u16; 16]>().write_unaligned(bits) }
    }
    #[inline(always)]
    unsafe fn add(a: F, b: F) -> F {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: F, b: F) -> F {
        from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: F, b: F) -> F {
        from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: F, b: F) -> F {
        from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn max(a: F, b: F) -> F {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn min(a: F, b: F) -> F {
        from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn abs(a: F) -> F {
        a.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn fma(a: F, b: F, c: F) -> F {
        from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn round(a: F) -> F {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    unsafe fn power_of_two(a: F) -> F {
        a.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn reduce_add(a: F) -> f32 {
        reduce(a, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn reduce_max(a: F) -> f32 {
        reduce(a, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    unsafe fn to_int(a: F) -> I {
        a.map(|lane| lane.round_ties_even() as i32)
    }
    #[inline(always)]
    unsafe fn to_float(a: I) -> F {
        a.map(|lane| lane as f32)
    }
    #[inline(always)]
    unsafe fn splat_int(value: i32) -> I {
        [value; 16]
    }
    #[inline(always)]
    unsafe fn add_int(a: I, b: I) -> I {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn reduce_add_int(a: I) -> i32 {
        a.iter().sum()
    }
    #[inline(always)]
    unsafe fn store_int(to: *mut i32, value: I) {
        unsafe { to.cast::<I>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut i8, value: I) {
        let bytes = value.map(|lane| lane.clamp(-128, 127) as i8);
        unsafe { to.cast::<[i8; 16]>().write_unaligned(bytes) }
    }
    #[inline(always)]
    unsafe fn keep_greater(best: (F, I), value: F, at: I) -> (F, I) {
        let greater: [bool; 16] = from_fn(|i| value[i] > best.0[i]);
        (
            from_fn(|i| if greater[i] { value[i] } else { best.0[i] }),
            from_fn(|i| if greater[i] { at[i] } else { best.1[i] }),
        )
    }
    #[inline(always)]
    unsafe fn prefetch(_at: *const u8) {}
    #[inline(always)]
    unsafe fn load_weights(from: *const u8) -> [u8; 64] {
        unsafe { from.cast::<[u8; 64]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn low_nibbles(w: [u8; 64]) -> [u8; 64] {
        w.map(|byte| byte & 15)
    }
    #[inline(always)]
    unsafe fn high_nibbles(w: [u8; 64]) -> [u8; 64] {
        w.map(|byte| byte >> 4)
    }
    #[inline(always)]
    unsafe fn dot_zero() -> I {
        [0; 16]
    }
    #[inline(always)]
    unsafe fn nibble_dot(sums: I, w: [u8; 64], x: i32) -> I {
        dot(sums, w, x, 0)
    }
    #[inline(always)]
    unsafe fn nibble_end(dot: I) -> I {
        dot
    }
    #[inline(always)]
    unsafe fn byte_start(_x_sum: i32) -> I {
        [0; 16]
    }
    #[inline(always)]
    unsafe fn byte_dot(sums: I, w: [u8; 64], x: i32) -> I {
        dot(sums, w, x, 128)
    }
    #[inline(always)]
    unsafe fn small_dot(sums: I, w: [u8; 64], x: i32) -> I {
        dot(sums, w, x, 0)
    }
    #[inline(always)]
    unsafe fn byte_end(dot: I) -> I {
        dot
    }
}
