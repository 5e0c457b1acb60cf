//! Sixteen lanes: the vector operations that every kernel is written in, once for all instruction sets.
//!
//! Owns: the trait `Lanes` and the functions built from it alone (`exp`).
//! Never: chooses an instruction set; `kernel.rs` does.
//! Contract: each operation gives the same bits on every implementation, so a logit does not depend on the
//! machine: products and sums are fused or not as named here, and reductions add lane `i` to `i + 8`, then
//! `i + 4`, `i + 2`, `i + 1`.

/// Vector operations on 16 rows or 16 elements at a time.
///
/// # Safety
/// Every method needs the CPU features of the implementing type; pointers must be valid for 16 elements
/// (64 bytes of weights) and need no alignment.
pub(crate) trait Lanes: Copy + 'static {
    /// Sixteen `f32`.
    type F: Copy;
    /// Sixteen `i32`.
    type I: Copy;
    /// Sixty-four unsigned bytes: byte `4 r + j` is weight `j` of row `r`.
    type W: Copy;
    /// A running integer dot product of 16 rows.
    type D: Copy;

    /// Whether 32 registers hold a whole block of weights beside the sums of many tokens.
    const HAS_32_REGISTERS: bool;
    /// Vectors of a value row that attention accumulates at a time, for each head.
    const VALUE_VECTORS: usize;

    unsafe fn splat(value: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn store(to: *mut f32, value: Self::F);
    unsafe fn load_half(from: *const u16) -> Self::F;
    unsafe fn store_half(to: *mut u16, value: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn abs(a: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The nearest integers, ties to even.
    unsafe fn round(a: Self::F) -> Self::F;
    /// Two to the power of integers in -126..=127.
    unsafe fn power_of_two(a: Self::F) -> Self::F;
    unsafe fn reduce_add(a: Self::F) -> f32;
    unsafe fn reduce_max(a: Self::F) -> f32;

    /// The nearest integers, ties to even.
    unsafe fn to_int(a: Self::F) -> Self::I;
    unsafe fn to_float(a: Self::I) -> Self::F;
    unsafe fn splat_int(value: i32) -> Self::I;
    unsafe fn add_int(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn reduce_add_int(a: Self::I) -> i32;
    unsafe fn store_int(to: *mut i32, value: Self::I);
    /// Stores the low bytes of integers in -128..=127.
    unsafe fn store_bytes(to: *mut i8, value: Self::I);
    /// Where `value > best` takes `value` and `at`, elsewhere keeps `best` and `index`.
    unsafe fn keep_greater(best: (Self::F, Self::I), value: Self::F, at: Self::I) -> (Self::F, Self::I);

    /// Asks for the cache line at `at`, which may lie outside of any allocation.
    unsafe fn prefetch(at: *const u8);
    unsafe fn load_weights(from: *const u8) -> Self::W;
    unsafe fn low_nibbles(w: Self::W) -> Self::W;
    unsafe fn high_nibbles(w: Self::W) -> Self::W;
    unsafe fn dot_zero() -> Self::D;
    /// Adds `w . x` for weights 0..=15 and four activations in `x`; at most 8 additions before the end.
    unsafe fn nibble_dot(dot: Self::D, w: Self::W, x: i32) -> Self::D;
    unsafe fn nibble_end(dot: Self::D) -> Self::I;
    /// The start of a dot product with weights that are stored plus 128; `x_sum` sums its activations.
    unsafe fn byte_start(x_sum: i32) -> Self::D;
    /// Adds `(w - 128) . x`; activations are in -127..=127.
    unsafe fn byte_dot(dot: Self::D, w: Self::W, x: i32) -> Self::D;
    /// Adds `w . x` for weights 0..=31.
    unsafe fn small_dot(dot: Self::D, w: Self::W, x: i32) -> Self::D;
    /// The end of `byte_dot` and `small_dot`.
    unsafe fn byte_end(dot: Self::D) -> Self::I;
}

/// `e` to the power of each lane; lanes are clamped to -87..=88, where `f32` neither under- nor overflows.
///
/// Source: Cephes `expf` (range reduction by ln 2 in two parts, polynomial of degree 6), relative error 2e-7.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(crate) unsafe fn exp<L: Lanes>(x: L::F) -> L::F {
    const COEFFICIENTS: [f32; 5] = [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    // SAFETY: the caller holds the features of `L`.
    unsafe {
        let x = L::max(L::min(x, L::splat(88.0)), L::splat(-87.0));
        let n = L::round(L::mul(x, L::splat(std::f32::consts::LOG2_E)));
        let minus_n = L::sub(L::splat(0.0), n);
        let r = L::fma(minus_n, L::splat(0.693_359_4), x);
        let r = L::fma(minus_n, L::splat(-2.121_944_4e-4), r);
        let mut p = L::splat(1.987_569_2e-4);
        for c in COEFFICIENTS {
            p = L::fma(p, r, L::splat(c));
        }
        let p = L::add(L::fma(p, L::mul(r, r), r), L::splat(1.0));
        L::mul(p, L::power_of_two(n))
    }
}
