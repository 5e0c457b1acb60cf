//! `Lanes` on AVX2 with FMA and F16C: two registers a vector.
//!
//! Owns: the mapping of each operation to pairs of 256-bit instructions, and the integer dot products that
//! AVX2 lacks (`maddubs` saturates at 16 bits; the comments say why it never does here).
//! Never: is called on a CPU without these features; `kernel.rs` checks.
#![expect(clippy::indexing_slicing, reason = "pairs of registers, indexed by constants")]

use super::lanes::Lanes;
use std::arch::x86_64::*;

/// AVX2, with the 256-bit dot products of AVX-VNNI where the CPU has them: three instructions become one.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<const VNNI: bool>;

type F = [__m256; 2];
type I = [__m256i; 2];

/// Adds the products of unsigned `w` and four signed activations to each row's sum.
#[inline(always)]
unsafe fn dpbusd(dot: I, w: I, x: i32) -> I {
    unsafe {
        let x = _mm256_set1_epi32(x);
        [_mm256_dpbusd_avx_epi32(dot[0], w[0], x), _mm256_dpbusd_avx_epi32(dot[1], w[1], x)]
    }
}

/// Applies `$f` to both halves of its arguments.
macro_rules! both {
    ($f:ident $(, $a:expr)*) => { [$f($($a[0]),*), $f($($a[1]),*)] };
}

impl<const VNNI: bool> Lanes for Avx2<VNNI> {
    type F = F;
    type I = I;
    type W = I;
    type D = I;
    const HAS_32_REGISTERS: bool = false;
    const VALUE_VECTORS: usize = 1;

    #[inline(always)]
    unsafe fn splat(value: f32) -> F {
        unsafe { [_mm256_set1_ps(value); 2] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> F {
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: F) {
        unsafe {
            _mm256_storeu_ps(to, value[0]);
            _mm256_storeu_ps(to.add(8), value[1]);
        }
    }
    #[inline(always)]
    unsafe fn load_half(from: *const u16) -> F {
        unsafe {
            [
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast())),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_half(to: *mut u16, value: F) {
        unsafe {
            _mm_storeu_si128(to.cast(), _mm256_cvtps_ph(value[0], _MM_FROUND_TO_NEAREST_INT));
            _mm_storeu_si128(to.add(8).cast(), _mm256_cvtps_ph(value[1], _MM_FROUND_TO_NEAREST_INT));
        }
    }
    #[inline(always)]
    unsafe fn add(a: F, b: F) -> F {
        unsafe { both!(_mm256_add_ps, a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: F, b: F) -> F {
        unsafe { both!(_mm256_sub_ps, a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: F, b: F) -> F {
        unsafe { both!(_mm256_mul_ps, a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: F, b: F) -> F {
        unsafe { both!(_mm256_div_ps, a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: F, b: F) -> F {
        unsafe { both!(_mm256_max_ps, a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: F, b: F) -> F {
        unsafe { both!(_mm256_min_ps, a, b) }
    }
    #[inline(always)]
    unsafe fn abs(a: F) -> F {
        let sign = unsafe { [_mm256_set1_ps(-0.0); 2] };
        unsafe { both!(_mm256_andnot_ps, sign, a) }
    }
    #[inline(always)]
    unsafe fn fma(a: F, b: F, c: F) -> F {
        unsafe { both!(_mm256_fmadd_ps, a, b, c) }
    }
    #[inline(always)]
    unsafe fn round(a: F) -> F {
        const MODE: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        unsafe { [_mm256_round_ps(a[0], MODE), _mm256_round_ps(a[1], MODE)] }
    }
    #[inline(always)]
    unsafe fn power_of_two(a: F) -> F {
        unsafe {
            let biased = Self::add_int(Self::to_int(a), Self::splat_int(127));
            [
                _mm256_castsi256_ps(_mm256_slli_epi32(biased[0], 23)),
                _mm256_castsi256_ps(_mm256_slli_epi32(biased[1], 23)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn reduce_add(a: F) -> f32 {
        unsafe {
            let half = _mm256_add_ps(a[0], a[1]);
            let quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
            let pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
        }
    }
    #[inline(always)]
    unsafe fn reduce_max(a: F) -> f32 {
        unsafe {
            let half = _mm256_max_ps(a[0], a[1]);
            let quarter = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
            let pair = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
            _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)))
        }
    }
    #[inline(always)]
    unsafe fn to_int(a: F) -> I {
        unsafe { both!(_mm256_cvtps_epi32, a) }
    }
    #[inline(always)]
    unsafe fn to_float(a: I) -> F {
        unsafe { both!(_mm256_cvtepi32_ps, a) }
    }
    #[inline(always)]
    unsafe fn splat_int(value: i32) -> I {
        unsafe { [_mm256_set1_epi32(value); 2] }
    }
    #[inline(always)]
    unsafe fn add_int(a: I, b: I) -> I {
        unsafe { both!(_mm256_add_epi32, a, b) }
    }
    #[inline(always)]
    unsafe fn reduce_add_int(a: I) -> i32 {
        unsafe {
            let half = _mm256_add_epi32(a[0], a[1]);
            let quarter = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
            let pair = _mm_add_epi32(quarter, _mm_unpackhi_epi64(quarter, quarter));
            _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32(pair, 1)))
        }
    }
    #[inline(always)]
    unsafe fn store_int(to: *mut i32, value: I) {
        unsafe {
            _mm256_storeu_si256(to.cast(), value[0]);
            _mm256_storeu_si256(to.add(8).cast(), value[1]);
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut i8, value: I) {
        unsafe {
            // packs works within 128-bit halves; the permutation puts the four quarters back in order.
            let words = _mm256_permute4x64_epi64(_mm256_packs_epi32(value[0], value[1]), 0b11_01_10_00);
            let low = _mm256_castsi256_si128(words);
            _mm_storeu_si128(to.cast(), _mm_packs_epi16(low, _mm256_extracti128_si256(words, 1)));
        }
    }
    #[inline(always)]
    unsafe fn keep_greater(best: (F, I), value: F, at: I) -> (F, I) {
        unsafe {
            let (mut values, mut indices) = best;
            for half in 0..2 {
                let greater = _mm256_cmp_ps(value[half], values[half], _CMP_GT_OQ);
                values[half] = _mm256_blendv_ps(values[half], value[half], greater);
                let (kept, new) = (_mm256_castsi256_ps(indices[half]), _mm256_castsi256_ps(at[half]));
                indices[half] = _mm256_castps_si256(_mm256_blendv_ps(kept, new, greater));
            }
            (values, indices)
        }
    }
    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn load_weights(from: *const u8) -> I {
        unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())] }
    }
    #[inline(always)]
    unsafe fn low_nibbles(w: I) -> I {
        let mask = unsafe { [_mm256_set1_epi8(15); 2] };
        unsafe { both!(_mm256_and_si256, w, mask) }
    }
    #[inline(always)]
    unsafe fn high_nibbles(w: I) -> I {
        unsafe { Self::low_nibbles([_mm256_srli_epi16(w[0], 4), _mm256_srli_epi16(w[1], 4)]) }
    }
    #[inline(always)]
    unsafe fn dot_zero() -> I {
        unsafe { [_mm256_setzero_si256(); 2] }
    }
    #[inline(always)]
    unsafe fn nibble_dot(dot: I, w: I, x: i32) -> I {
        if VNNI {
            return unsafe { dpbusd(dot, w, x) };
        }
        unsafe {
            // 16-bit sums: each addition is at most 2 * 15 * 127 = 3,810, eight of them 30,480.
            let x = [_mm256_set1_epi32(x); 2];
            let products = both!(_mm256_maddubs_epi16, w, x);
            both!(_mm256_add_epi16, dot, products)
        }
    }
    #[inline(always)]
    unsafe fn nibble_end(dot: I) -> I {
        if VNNI {
            return dot;
        }
        let ones = unsafe { [_mm256_set1_epi16(1); 2] };
        unsafe { both!(_mm256_madd_epi16, dot, ones) }
    }
    #[inline(always)]
    unsafe fn byte_start(x_sum: i32) -> I {
        if VNNI {
            return unsafe { Self::splat_int(x_sum.wrapping_mul(-128)) };
        }
        unsafe { Self::dot_zero() }
    }
    #[inline(always)]
    unsafe fn byte_dot(dot: I, w: I, x: i32) -> I {
        if VNNI {
            return unsafe { dpbusd(dot, w, x) };
        }
        unsafe {
            // |w| * (x with the sign of w): a pair is at most 2 * 128 * 127 = 32,512.
            let x = _mm256_set1_epi32(x);
            let mut sums = dot;
            for half in 0..2 {
                let signed = _mm256_xor_si256(w[half], _mm256_set1_epi8(-128));
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(signed), _mm256_sign_epi8(x, signed));
                sums[half] = _mm256_add_epi32(sums[half], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
            }
            sums
        }
    }
    #[inline(always)]
    unsafe fn small_dot(dot: I, w: I, x: i32) -> I {
        if VNNI {
            return unsafe { dpbusd(dot, w, x) };
        }
        unsafe {
            // A pair is at most 2 * 31 * 127 = 7,874.
            let x = _mm256_set1_epi32(x);
            let mut sums = dot;
            for half in 0..2 {
                let pairs = _mm256_maddubs_epi16(w[half], x);
                sums[half] = _mm256_add_epi32(sums[half], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
            }
            sums
        }
    }
    #[inline(always)]
    unsafe fn byte_end(dot: I) -> I {
        dot
    }
}
