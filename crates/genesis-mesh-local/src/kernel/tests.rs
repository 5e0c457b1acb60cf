//! Every instruction set gives the scalar kernels' bits, on random shapes and numbers.

use super::*;
use proptest::prelude::*;

/// A small deterministic generator of numbers in -1.0..1.0.
struct Numbers(u64);

impl Numbers {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 32
    }
    fn next(&mut self) -> f32 {
        self.bits() as f32 / 2f32.powi(31) - 1.0
    }
    fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

fn others() -> Vec<&'static Kernels> {
    Kernels::available().into_iter().filter(|table| table.name != "scalar").collect()
}

fn random_matrix(layout: Layout, rows: usize, columns: usize, numbers: &mut Numbers) -> Matrix {
    let mut matrix = Matrix::zeros(layout, rows, columns);
    let blocks = matrix.blocks();
    for group in matrix.groups_mut() {
        for block in 0..blocks {
            let weights = &mut group[layout.weights_at(block)..][..layout.weight_bytes()];
            match layout {
                Layout::Half => {
                    for cell in weights.chunks_exact_mut(2) {
                        cell.copy_from_slice(&half::f16::from_f32(numbers.next()).to_le_bytes());
                    }
                }
                Layout::Single => {
                    for cell in weights.chunks_exact_mut(4) {
                        cell.copy_from_slice(&numbers.next().to_le_bytes());
                    }
                }
                Layout::ByteMin => weights.fill_with(|| (numbers.bits() % 32) as u8),
                _ => weights.fill_with(|| numbers.bits() as u8),
            }
            let scales_at = layout.scales_at(block).min(group.len());
            let scales = &mut group[scales_at..];
            for cell in scales.chunks_exact_mut(2).take(layout.scales() * GROUP_ROWS) {
                cell.copy_from_slice(&half::f16::from_f32(numbers.next() * 0.1).to_le_bytes());
            }
        }
    }
    matrix
}

/// Rows of activations made by the scalar norm from random numbers.
fn random_rows(count: usize, columns: usize, numbers: &mut Numbers) -> Activations {
    let rows = Activations::zeros(count, columns, true);
    for row in 0..count {
        let (x, weight) = (numbers.many(columns), numbers.many(columns));
        // SAFETY: scalar kernels need no features; both slices hold the columns.
        unsafe { (SCALAR.norm)(x.as_ptr(), weight.as_ptr(), 1e-5, &rows, row) };
    }
    rows
}

fn product(kernels: &Kernels, matrix: &Matrix, input: &Activations, count: usize) -> Vec<u32> {
    let stride = matrix.groups() * GROUP_ROWS;
    let mut out = vec![0.5f32; count * stride];
    let target = Target { start: out.as_mut_ptr(), stride, accumulate: true };
    let rows = Rows { input, first: 0, count };
    // SAFETY: the table is available on this machine, and `out` has room for all groups of all rows.
    unsafe { (kernels.gemm)(matrix, rows, target, 0..matrix.groups()) };
    out.into_iter().map(f32::to_bits).collect()
}

const LAYOUTS: [Layout; 6] =
    [Layout::Nibble, Layout::Byte, Layout::ByteSplit, Layout::ByteMin, Layout::Half, Layout::Single];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_have_the_same_bits_on_every_instruction_set(
        seed in any::<u64>(), groups in 1usize..4, blocks in 1usize..20, count in 1usize..36, which in 0usize..6,
    ) {
        let mut numbers = Numbers(seed);
        let matrix = random_matrix(LAYOUTS[which], groups * 16 - seed as usize % 16, blocks * 32, &mut numbers);
        let input = random_rows(count, blocks * 32, &mut numbers);
        let expected = product(&SCALAR, &matrix, &input, count);
        for kernels in others() {
            prop_assert!(product(kernels, &matrix, &input, count) == expected, "{}", kernels.name);
        }
    }

    #[test]
    fn a_row_of_a_product_does_not_depend_on_the_rows_beside_it(
        seed in any::<u64>(), blocks in 1usize..6, count in 2usize..40, which in 0usize..6,
    ) {
        let mut numbers = Numbers(seed);
        let matrix = random_matrix(LAYOUTS[which], 32, blocks * 32, &mut numbers);
        let input = random_rows(count, blocks * 32, &mut numbers);
        for kernels in Kernels::available() {
            let all = product(kernels, &matrix, &input, count);
            for row in 0..count {
                let mut alone = vec![0.5f32; 32];
                let target = Target { start: alone.as_mut_ptr(), stride: 32, accumulate: true };
                // SAFETY: as in `product`, for one row.
                unsafe { (kernels.gemm)(&matrix, Rows { input: &input, first: row, count: 1 }, target, 0..2) };
                let alone: Vec<u32> = alone.into_iter().map(f32::to_bits).collect();
                prop_assert_eq!(&all[row * 32..row * 32 + 32], &alone[..]);
            }
        }
    }

    #[test]
    fn gated_products_have_the_same_bits_on_every_instruction_set(
        seed in any::<u64>(), blocks in 1usize..6, outputs in 1usize..4, count in 1usize..36,
    ) {
        let mut numbers = Numbers(seed);
        let gate = random_matrix(Layout::Nibble, outputs * 32, blocks * 32, &mut numbers);
        let up = random_matrix(LAYOUTS[seed as usize % 6], outputs * 32, blocks * 32, &mut numbers);
        let input = random_rows(count, blocks * 32, &mut numbers);
        let run = |kernels: &Kernels| {
            let output = Activations::zeros(count, outputs * 32, true);
            // SAFETY: the table is available, and `output` has the matrices' rows as columns.
            unsafe { (kernels.gated)((&gate, &up), Rows { input: &input, first: 0, count }, &output, 0..outputs) };
            output.bits()
        };
        let expected = run(&SCALAR);
        for kernels in others() {
            prop_assert!(run(kernels) == expected, "{}", kernels.name);
        }
    }

    #[test]
    fn norms_have_the_same_bits_on_every_instruction_set(seed in any::<u64>(), blocks in 1usize..20) {
        let mut numbers = Numbers(seed);
        let (x, weight) = (numbers.many(blocks * 32), numbers.many(blocks * 32));
        let run = |kernels: &Kernels| {
            let output = Activations::zeros(1, blocks * 32, true);
            // SAFETY: the table is available, and the slices hold the columns.
            unsafe { (kernels.norm)(x.as_ptr(), weight.as_ptr(), 1e-5, &output, 0) };
            output.bits()
        };
        let expected = run(&SCALAR);
        for kernels in others() {
            prop_assert!(run(kernels) == expected, "{}", kernels.name);
        }
    }

    #[test]
    fn attention_has_the_same_bits_on_every_instruction_set(
        seed in any::<u64>(), positions in 1usize..70, query_heads in 1usize..8, half_head in 1usize..5,
    ) {
        let head_len = half_head * 32;
        let mut numbers = Numbers(seed);
        let steps: Vec<[Vec<f32>; 3]> =
            (0..positions).map(|_| [head_len, head_len, head_len].map(|count| numbers.many(count))).collect();
        let queries = numbers.many(query_heads * head_len);
        let run = |kernels: &Kernels| attend(kernels, &steps, &queries, head_len);
        let expected = run(&SCALAR);
        for kernels in others() {
            prop_assert!(run(kernels) == expected, "{}", kernels.name);
        }
    }

    #[test]
    fn argmax_is_the_first_of_the_largest(values in prop::collection::vec(-4i8..4, 1..200)) {
        let logits: Vec<f32> = values.iter().map(|&value| f32::from(value)).collect();
        let largest = values.iter().max().unwrap();
        let expected = values.iter().position(|value| value == largest).unwrap();
        for kernels in Kernels::available() {
            // SAFETY: the table is available on this machine.
            prop_assert_eq!(unsafe { (kernels.argmax)(&logits) }, expected as u32);
        }
    }
}

/// Stores every step's key and value into shuffled pages, then attends from the last position.
fn attend(kernels: &Kernels, steps: &[[Vec<f32>; 3]], queries: &[f32], head_len: usize) -> Vec<u32> {
    let positions = steps.len();
    let page_len = 2 * head_len * PAGE_POSITIONS;
    let pages: Vec<u32> = (0..positions.div_ceil(PAGE_POSITIONS) as u32).rev().collect();
    let mut pool = vec![0xffffu16; pages.len() * page_len];
    let query_heads = queries.len() / head_len;
    let (mut queries, output) = (queries.to_vec(), Activations::zeros(1, queries.len(), true));
    for (position, [key, value, rotation]) in steps.iter().enumerate() {
        let page = pool[pages[position / PAGE_POSITIONS] as usize * page_len..].as_mut_ptr();
        let head = (head_len, rotation.as_ptr());
        let mut key = key.clone();
        // SAFETY: the table is available; every pointer holds what the kernel asks for.
        unsafe { (kernels.store)(key.as_mut_ptr(), value.as_ptr(), head, page, position % PAGE_POSITIONS) };
    }
    let mut scores = vec![0.0f32; query_heads * (positions + 16)];
    let attend = Attend {
        queries: queries.as_mut_ptr(),
        query_heads,
        head_len,
        rotation: steps[positions - 1][2].as_ptr(),
        pages: &pages,
        pool: (pool.as_ptr(), page_len),
        positions,
        scores: scores.as_mut_ptr(),
        score_stride: positions + 16,
        output: &output,
        row: 0,
        column: 0,
    };
    // SAFETY: as above; memory of positions never stored is not a number, and must not matter.
    unsafe { (kernels.attend)(&attend) };
    assert!(queries.iter().all(|value| value.is_finite()));
    output.bits()
}
