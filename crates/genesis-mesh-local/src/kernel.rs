//! Kernels: the numeric work of a forward pass, written once and compiled for each instruction set.
//!
//! Owns: the choice of the instruction set at run time, and a safe-to-pass table of kernel functions.
//! Never: allocates, spawns or waits.
//! Flow: `forward.rs` calls the table; each entry is a generic kernel compiled with its target's features.
//! All tables give the same bits (see `lanes.rs`), so the choice changes speed alone.
#![expect(unsafe_code, reason = "vector instructions and memory shared between threads need raw pointers")]

mod lanes;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod shared;
mod matrix;
mod activation;
mod block;
mod gemm;
mod attention;
mod argmax;

#[cfg(test)]
mod tests;

pub(crate) use activation::Activations;
pub(crate) use attention::{Attend, PAGE_POSITIONS};
pub(crate) use gemm::{Rows, Target};
pub(crate) use matrix::{BLOCK_COLUMNS, GROUP_ROWS, Layout, Matrix};
pub(crate) use shared::Shared;

use std::ops::Range;

/// The kernels of one instruction set.
pub(crate) struct Kernels {
    /// The instruction set's name, for people.
    pub(crate) name: &'static str,
    /// Groups of rows of a matrix times rows of activations.
    pub(crate) gemm: unsafe fn(&Matrix, Rows<'_>, Target, Range<usize>),
    /// `silu(gate . x) * (up . x)`, quantised.
    pub(crate) gated: unsafe fn((&Matrix, &Matrix), Rows<'_>, &Activations, Range<usize>),
    /// RMS norm of one row, quantised: input, weight, epsilon, output, row.
    pub(crate) norm: unsafe fn(*const f32, *const f32, f32, &Activations, usize),
    /// Rotates a key and stores it with its value: key, value, (head length, rotation), page, slot.
    pub(crate) store: unsafe fn(*mut f32, *const f32, (usize, *const f32), *mut u16, usize),
    /// Attention of one row and one key-value head.
    pub(crate) attend: unsafe fn(&Attend<'_>),
    /// The index of the largest logit.
    pub(crate) argmax: unsafe fn(&[f32]) -> u32,
}

/// Compiles every kernel for `$lanes`, with `$features` if given, into a table.
macro_rules! kernels {
    ($table:ident, $name:literal, $lanes:ty $(, $features:expr)?) => {
        pub(crate) static $table: Kernels = {
            $(#[target_feature(enable = $features)])?
            unsafe fn gemm(matrix: &Matrix, rows: Rows<'_>, target: Target, groups: Range<usize>) {
                unsafe { gemm::gemm::<$lanes>(matrix, rows, target, groups) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn gated(m: (&Matrix, &Matrix), rows: Rows<'_>, output: &Activations, blocks: Range<usize>) {
                unsafe { gemm::gated::<$lanes>(m, rows, output, blocks) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn norm(x: *const f32, weight: *const f32, epsilon: f32, output: &Activations, row: usize) {
                unsafe { activation::norm_quantise::<$lanes>(x, weight, epsilon, output, row) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn store(k: *mut f32, v: *const f32, head: (usize, *const f32), page: *mut u16, slot: usize) {
                unsafe { attention::store::<$lanes>(k, v, head, page, slot) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn attend(attend: &Attend<'_>) {
                unsafe { attention::attend::<$lanes>(attend) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn argmax(logits: &[f32]) -> u32 {
                unsafe { argmax::argmax::<$lanes>(logits) }
            }
            Kernels { name: $name, gemm, gated, norm, store, attend, argmax }
        };
    };
}

kernels!(SCALAR, "scalar", scalar::Scalar);
#[cfg(target_arch = "x86_64")]
kernels!(AVX2, "avx2", avx2::Avx2<false>, "avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
kernels!(AVX2_VNNI, "avx2-vnni", avx2::Avx2<true>, "avx2,fma,f16c,avxvnni");
#[cfg(target_arch = "x86_64")]
kernels!(
    AVX512,
    "avx512-vnni",
    avx512::Avx512,
    "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"
);

impl Kernels {
    /// All tables that this machine can run, the fastest first.
    pub(crate) fn available() -> Vec<&'static Self> {
        let mut tables = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vnni");
            if avx2 && avx512 {
                tables.push(&AVX512);
            }
            if avx2 && is_x86_feature_detected!("avxvnni") {
                tables.push(&AVX2_VNNI);
            }
            if avx2 {
                tables.push(&AVX2);
            }
        }
        tables.push(&SCALAR);
        tables
    }
}
