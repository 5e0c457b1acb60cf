//! Attention of one row over the pages of its sequence, and what writes those pages.
//!
//! Owns: rotary positions, the layout of a page, the scores and the weighted sum.
//! Never: allocates pages or knows which sequence owns them; `kv.rs` does.
//! A page holds 16 positions of one layer and one key-value head: keys transposed (`[head_len][16]`, so that
//! 16 scores are made at once without a sum across lanes), then values (`[16][head_len]`), all f16.
//! Source: grouped-query attention (Ainslie et al., 2023); rotary positions (Su et al., 2021).

use super::activation::{Activations, quantise_block};
use super::lanes::{Lanes, exp};

/// Positions in a page: the lanes of a vector.
pub(crate) const PAGE_POSITIONS: usize = 16;

/// What attention of one row and one key-value head needs.
pub(crate) struct Attend<'a> {
    /// The row's query heads of this key-value head: `query_heads` times `head_len` numbers, rotated here.
    pub(crate) queries: *mut f32,
    pub(crate) query_heads: usize,
    pub(crate) head_len: usize,
    /// Cosines then sines of the row's position: `head_len / 2` each.
    pub(crate) rotation: *const f32,
    /// The pages of the sequence; position `p` is in page `pages[p / 16]`.
    pub(crate) pages: &'a [u32],
    /// This layer's and head's part of page 0, and the distance to the same part of page 1.
    pub(crate) pool: (*const u16, usize),
    /// Positions attended to: the row's own and all before.
    pub(crate) positions: usize,
    /// Scratch for `query_heads` times `positions` (rounded up to pages) scores.
    pub(crate) scores: *mut f32,
    pub(crate) score_stride: usize,
    /// The result goes to columns `column ..` of row `row`.
    pub(crate) output: &'a Activations,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl Attend<'_> {
    /// The memory of the sequence's page `index`.
    #[inline(always)]
    unsafe fn page(&self, index: usize) -> *const u16 {
        unsafe { self.pool.0.add(*self.pages.get_unchecked(index) as usize * self.pool.1) }
    }
}

/// Rotates one head in place; its two halves are the two parts of each pair.
///
/// # Safety
/// The features of `L`; `head` holds `head_len` numbers, `rotation` the cosines and sines.
#[inline(always)]
unsafe fn rotate<L: Lanes>(head: *mut f32, head_len: usize, rotation: *const f32, factor: f32) {
    unsafe {
        let half = head_len / 2;
        for i in (0..half).step_by(16) {
            let (cosine, sine) = (L::load(rotation.add(i)), L::load(rotation.add(half + i)));
            let x = L::mul(L::load(head.add(i)), L::splat(factor));
            let y = L::mul(L::load(head.add(half + i)), L::splat(factor));
            L::store(head.add(i), L::sub(L::mul(x, cosine), L::mul(y, sine)));
            L::store(head.add(half + i), L::add(L::mul(x, sine), L::mul(y, cosine)));
        }
    }
}

/// Rotates `key` and writes it and `value` into `page` as position `slot` (0 to 15) of the page.
///
/// # Safety
/// The features of `L`; `key`, `value` and the page hold `head_len` numbers a position.
#[inline(always)]
pub(super) unsafe fn store<L: Lanes>(
    key: *mut f32,
    value: *const f32,
    (head_len, rotation): (usize, *const f32),
    page: *mut u16,
    slot: usize,
) {
    unsafe {
        rotate::<L>(key, head_len, rotation, 1.0);
        let values = page.add(head_len * PAGE_POSITIONS + slot * head_len);
        for i in (0..head_len).step_by(16) {
            L::store_half(values.add(i), L::load(value.add(i)));
            let mut lanes = [0u16; 16];
            L::store_half(lanes.as_mut_ptr(), L::load(key.add(i)));
            for (j, lane) in lanes.into_iter().enumerate() {
                page.add((i + j) * PAGE_POSITIONS + slot).write(lane);
            }
        }
    }
}

/// Attends with one row's query heads of one key-value head.
///
/// # Safety
/// The features of `L`; the pointers of `attend` are valid as it says, and nobody else writes them.
#[inline(always)]
pub(super) unsafe fn attend<L: Lanes>(attend: &Attend<'_>) {
    unsafe {
        let scale = 1.0 / (attend.head_len as f32).sqrt();
        for head in 0..attend.query_heads {
            rotate::<L>(attend.queries.add(head * attend.head_len), attend.head_len, attend.rotation, scale);
        }
        let mut head = 0;
        while head < attend.query_heads {
            match attend.query_heads - head {
                1 => heads::<L, 1>(attend, head),
                2 => heads::<L, 2>(attend, head),
                3 => heads::<L, 3>(attend, head),
                _ => heads::<L, 4>(attend, head),
            }
            head += 4;
        }
    }
}

/// `H` query heads from `first` on: each key and value is read once for all of them.
#[inline(always)]
unsafe fn heads<L: Lanes, const H: usize>(attend: &Attend<'_>, first: usize) {
    unsafe {
        let mut scores = [attend.scores; H];
        for (h, scores) in scores.iter_mut().enumerate() {
            *scores = attend.scores.add((first + h) * attend.score_stride);
        }
        let largest = score::<L, H>(attend, first, scores);
        let inverse: [f32; H] = softmax::<L, H>(attend.positions, scores, largest);
        let vectors = attend.head_len / 16;
        for vector in (0..vectors).step_by(L::VALUE_VECTORS) {
            if L::VALUE_VECTORS == 4 && vectors - vector >= 4 {
                weigh::<L, H, 4>(attend, (first, vector), scores, inverse);
            } else {
                for vector in vector..vectors.min(vector + L::VALUE_VECTORS) {
                    weigh::<L, H, 1>(attend, (first, vector), scores, inverse);
                }
            }
        }
        // Quantise only what is complete: a block of 32 columns lies within one head.
        for h in 0..H {
            let result = attend.queries.add((first + h) * attend.head_len);
            for block in 0..attend.head_len / 32 {
                let at = result.add(block * 32);
                let column = attend.column + (first + h) * attend.head_len;
                let (low, high) = (L::load(at), L::load(at.add(16)));
                quantise_block::<L>(attend.output.row(attend.row), column / 32 + block, low, high);
            }
        }
    }
}

/// Scores of all positions, 16 at a time; those past the end are very low. Gives each head's largest.
#[inline(always)]
unsafe fn score<L: Lanes, const H: usize>(
    attend: &Attend<'_>,
    first: usize,
    scores: [*mut f32; H],
) -> [f32; H] {
    unsafe {
        let mut queries = [attend.queries.cast_const(); H];
        for (h, query) in queries.iter_mut().enumerate() {
            *query = attend.queries.add((first + h) * attend.head_len);
        }
        let mut largest = [L::splat(f32::NEG_INFINITY); H];
        let full = attend.positions / PAGE_POSITIONS;
        for page in 0..attend.positions.div_ceil(PAGE_POSITIONS) {
            let keys = attend.page(page);
            // Two sums a head, over even and odd elements, halve the chain of dependent additions.
            let mut sums = [[L::splat(0.0); 2]; H];
            for i in (0..attend.head_len).step_by(2) {
                let even = L::load_half(keys.add(i * PAGE_POSITIONS));
                let odd = L::load_half(keys.add((i + 1) * PAGE_POSITIONS));
                for (sum, query) in sums.iter_mut().zip(queries) {
                    sum[0] = L::fma(even, L::splat(query.add(i).read()), sum[0]);
                    sum[1] = L::fma(odd, L::splat(query.add(i + 1).read()), sum[1]);
                }
            }
            for ((sum, scores), largest) in sums.into_iter().zip(scores).zip(&mut largest) {
                let to = scores.add(page * PAGE_POSITIONS);
                L::store(to, L::add(sum[0], sum[1]));
                if page == full {
                    for lane in attend.positions % PAGE_POSITIONS..PAGE_POSITIONS {
                        to.add(lane).write(-1e30);
                    }
                }
                *largest = L::max(*largest, L::load(to));
            }
        }
        let mut result = [0.0; H];
        for (result, largest) in result.iter_mut().zip(largest) {
            *result = L::reduce_max(largest);
        }
        result
    }
}

/// Turns scores into unnormalised weights, and gives the inverse of each head's sum.
#[inline(always)]
unsafe fn softmax<L: Lanes, const H: usize>(
    positions: usize,
    scores: [*mut f32; H],
    largest: [f32; H],
) -> [f32; H] {
    unsafe {
        let pages = positions.div_ceil(PAGE_POSITIONS);
        let mut inverse = [0.0; H];
        for ((scores, largest), inverse) in scores.into_iter().zip(largest).zip(&mut inverse) {
            let mut sum = L::splat(0.0);
            for page in 0..pages {
                let at = scores.add(page * PAGE_POSITIONS);
                let weight = exp::<L>(L::sub(L::load(at), L::splat(largest)));
                L::store(at, weight);
                if page + 1 == pages {
                    for lane in positions - page * PAGE_POSITIONS..PAGE_POSITIONS {
                        at.add(lane).write(0.0);
                    }
                }
                sum = L::add(sum, L::load(at));
            }
            *inverse = 1.0 / L::reduce_add(sum);
        }
        inverse
    }
}

/// The weighted sum of `V` vectors of the values, written over the queries, which are no longer needed.
#[inline(always)]
unsafe fn weigh<L: Lanes, const H: usize, const V: usize>(
    attend: &Attend<'_>,
    (first, vector): (usize, usize),
    scores: [*mut f32; H],
    inverse: [f32; H],
) {
    unsafe {
        let mut sums = [[L::splat(0.0); V]; H];
        for page in 0..attend.positions.div_ceil(PAGE_POSITIONS) {
            let values = attend.page(page).add(attend.head_len * PAGE_POSITIONS + vector * 16);
            let count = PAGE_POSITIONS.min(attend.positions - page * PAGE_POSITIONS);
            for slot in 0..count {
                let mut row = [L::splat(0.0); V];
                for (v, vector) in row.iter_mut().enumerate() {
                    *vector = L::load_half(values.add(slot * attend.head_len + v * 16));
                }
                for (sum, scores) in sums.iter_mut().zip(scores) {
                    let weight = L::splat(scores.add(page * PAGE_POSITIONS + slot).read());
                    for (sum, value) in sum.iter_mut().zip(row) {
                        *sum = L::fma(weight, value, *sum);
                    }
                }
            }
        }
        for (h, (sum, inverse)) in sums.into_iter().zip(inverse).enumerate() {
            let to = attend.queries.add((first + h) * attend.head_len + vector * 16);
            for (v, sum) in sum.into_iter().enumerate() {
                L::store(to.add(v * 16), L::mul(sum, L::splat(inverse)));
            }
        }
    }
}
