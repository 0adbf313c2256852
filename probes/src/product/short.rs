//! Products of rows of norm 1 that were rounded to 16-bit whole numbers: to find out fast which products can be the largest.
//!
//! `q = round(32767 u)` for a row `u` of norm 1 or 0. The sum of the products of two such rows is below 2^31 (Cauchy and Schwarz), so it is
//! exact in whole numbers, and every machine says the same. AVX-512 VNNI multiplies and adds 32 of them at once, more than twice as many
//! as an f32 product and four times as many as bf16 does on the same machine; without it the f32 product of the same numbers is taken,
//! whose error is below `width * 2^-24`.

use std::ops::Range;

use ndarray::Array2;

use super::a_bt;

/// Rows that lie together.
pub(crate) const LANES: usize = 16;
/// What the norm 1 becomes.
pub(crate) const ONE: f64 = 32767.0;
/// Rows of the left side that are multiplied at once.
const ROWS: usize = 8;
/// Panels of the right side that are multiplied at once: with as many sums as fit into the registers.
const PANELS: usize = 3;

/// Two columns of 16 rows, the earlier one in the low half; a line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [i32; LANES]);

/// Rows of whole numbers, in panels of 16; what is missing to whole panels and pairs of columns is zero.
pub(crate) struct Short {
    pairs: usize,
    /// `[panels, pairs]`.
    lines: Vec<Line>,
}

impl Short {
    /// Zeros of this shape.
    pub(crate) fn new(rows: usize, width: usize) -> Self {
        let pairs = width.div_ceil(2).max(1);
        Self { pairs, lines: vec![Line([0; LANES]); rows.div_ceil(LANES) * pairs] }
    }

    /// How many panels.
    pub(crate) fn panels(&self) -> usize {
        self.lines.len() / self.pairs
    }

    /// A panel, to write: `[pairs]`.
    pub(crate) fn panel_mut(&mut self, panel: usize) -> &mut [Line] {
        &mut self.lines[panel * self.pairs..(panel + 1) * self.pairs]
    }

    fn panel(&self, panel: usize) -> &[Line] {
        &self.lines[panel * self.pairs..(panel + 1) * self.pairs]
    }

    /// The same numbers as f32: `[16 panels, 2 pairs]`.
    fn plain(&self, panels: Range<usize>) -> Array2<f32> {
        let mut plain = Array2::zeros((panels.len() * LANES, 2 * self.pairs));
        for (at, panel) in panels.enumerate() {
            for (pair, line) in self.panel(panel).iter().enumerate() {
                for (lane, both) in line.0.iter().enumerate() {
                    plain[[at * LANES + lane, 2 * pair]] = f32::from(*both as i16);
                    plain[[at * LANES + lane, 2 * pair + 1]] = f32::from((*both >> 16) as i16);
                }
            }
        }
        plain
    }
}

/// Two numbers in one.
#[inline(always)]
pub(crate) fn pair(low: i32, high: i32) -> i32 {
    (low & 0xffff) | (high << 16)
}

/// The right side of products.
pub(crate) struct Right<'a> {
    short: &'a Short,
    /// As f32, where the machine has no instruction for whole numbers.
    plain: Option<Array2<f32>>,
}

impl<'a> Right<'a> {
    pub(crate) fn new(short: &'a Short) -> Self {
        Self::with(short, available())
    }

    /// `fast`: with the instruction for whole numbers, which the machine must have.
    pub(crate) fn with(short: &'a Short, fast: bool) -> Self {
        Self { short, plain: (!(fast && available())).then(|| short.plain(0..short.panels())) }
    }

    /// Products of the rows of some panels of `left` with all rows here.
    ///
    /// # Shapes
    /// `out` `[16 panels, 16 panels of this side]`.
    pub(crate) fn products(&self, left: &Short, panels: Range<usize>, out: &mut [f32]) {
        let columns = self.short.panels() * LANES;
        assert!(left.pairs == self.short.pairs, "rows of one product have one width");
        assert!(out.len() == panels.len() * LANES * columns, "a tile has a place for each product");
        match &self.plain {
            Some(plain) => {
                let product = a_bt(left.plain(panels).view(), plain.view(), false);
                out.iter_mut().zip(&product).for_each(|(out, product)| *out = *product);
            }
            #[cfg(target_arch = "x86_64")]
            None => {
                #[expect(unsafe_code, reason = "run-time choice of the instruction set")]
                // SAFETY: `plain` is missing only where the machine has the features that the function is compiled for.
                unsafe {
                    vnni::tile(left, panels, self.short, out);
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            None => {}
        }
    }
}

/// Whether this machine multiplies whole numbers sixteen pairs at once.
fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(target_arch = "x86_64")]
mod vnni {
    use std::{
        arch::x86_64::{
            _mm512_cvtepi32_ps, _mm512_dpwssd_epi32, _mm512_load_si512, _mm512_set1_epi32, _mm512_setzero_si512,
            _mm512_storeu_ps,
        },
        ops::Range,
    };

    use super::{LANES, Line, PANELS, ROWS, Short};

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn tile(left: &Short, panels: Range<usize>, right: &Short, out: &mut [f32]) {
        let stride = right.panels() * LANES;
        for from in (0..right.panels()).step_by(PANELS) {
            for (at, panel) in panels.clone().enumerate() {
                let left = left.panel(panel);
                let mut rows = out[at * LANES * stride..(at + 1) * LANES * stride].chunks_exact_mut(ROWS * stride);
                let halves = [rows.next(), rows.next()];
                for (half, out) in halves.into_iter().flatten().enumerate() {
                    let panel = |next: usize| right.panel(from + next);
                    let out = &mut out[from * LANES..];
                    match (right.panels() - from, half) {
                        (1, 0) => block::<1, 0>(left, [panel(0)], out, stride),
                        (1, _) => block::<1, ROWS>(left, [panel(0)], out, stride),
                        (2, 0) => block::<2, 0>(left, [panel(0), panel(1)], out, stride),
                        (2, _) => block::<2, ROWS>(left, [panel(0), panel(1)], out, stride),
                        (_, 0) => block::<3, 0>(left, [panel(0), panel(1), panel(2)], out, stride),
                        (..) => block::<3, ROWS>(left, [panel(0), panel(1), panel(2)], out, stride),
                    }
                }
            }
        }
    }

    /// Eight rows from row `FROM` of a panel, with all rows of `N` panels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn block<const N: usize, const FROM: usize>(left: &[Line], right: [&[Line]; N], out: &mut [f32], stride: usize) {
        let right = right.map(|panel| &panel[..left.len()]);
        let mut sums = [[_mm512_setzero_si512(); N]; ROWS];
        for (pair, line) in left.iter().enumerate() {
            #[expect(unsafe_code, reason = "a vector is loaded through a pointer")]
            // SAFETY: a line is 64 bytes at an address that 64 divides.
            let columns = right.map(|panel| unsafe { _mm512_load_si512((&raw const panel[pair]).cast()) });
            for (row, sums) in sums.iter_mut().enumerate() {
                let both = _mm512_set1_epi32(line.0[FROM + row]);
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = _mm512_dpwssd_epi32(*sum, both, columns);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (panel, sum) in out[row * stride..][..N * LANES].as_chunks_mut::<LANES>().0.iter_mut().zip(sums) {
                #[expect(unsafe_code, reason = "a vector is stored through a pointer")]
                // SAFETY: there is room for 16 f32.
                unsafe {
                    _mm512_storeu_ps(panel.as_mut_ptr(), _mm512_cvtepi32_ps(*sum));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LANES, Right, Short, pair};

    fn short(rows: usize, width: usize, at: impl Fn(usize, usize) -> i32) -> Short {
        let mut short = Short::new(rows, width);
        let whole = |row: usize, column: usize| if row < rows && column < width { at(row, column) } else { 0 };
        for panel in 0..short.panels() {
            for (p, line) in short.panel_mut(panel).iter_mut().enumerate() {
                for (lane, both) in line.0.iter_mut().enumerate() {
                    let row = panel * LANES + lane;
                    *both = pair(whole(row, 2 * p), whole(row, 2 * p + 1));
                }
            }
        }
        short
    }

    proptest! {
        #[test]
        fn both_products_are_the_sums_of_products(n in 1usize..70, m in 1usize..130, width in 1usize..40, seed in 0i32..1000) {
            // Small enough that sums are exact in f32 too.
            let value = |row: usize, column: usize| (row as i32 * 31 + column as i32 * 17 + seed) % 201 - 100;
            let (a, b) = (short(n, width, value), short(m, width, |i, j| -value(j, i + 3)));
            let panels = a.panels() / 2..a.panels();
            let columns = b.panels() * LANES;
            for fast in [false, true] {
                let mut out = vec![f32::NAN; panels.len() * LANES * columns];
                Right::with(&b, fast).products(&a, panels.clone(), &mut out);
                for (r, row) in out.chunks_exact(columns).enumerate() {
                    let i = panels.start * LANES + r;
                    for (j, got) in row.iter().enumerate() {
                        let inside = i < n && j < m;
                        let expected: i32 = (0..width).map(|k| value(i, k) * -value(k, j + 3)).sum();
                        prop_assert_eq!(*got, if inside { expected as f32 } else { 0.0 });
                    }
                }
            }
        }
    }

    #[test]
    fn the_largest_rows_do_not_overflow() {
        let spike = short(1, 3, |_, column| if column == 1 { 32767 } else { 0 });
        let mut out = vec![0f32; LANES * LANES];
        Right::new(&spike).products(&spike, 0..1, &mut out);
        assert_eq!(out[0], 32767f32 * 32767.0);
        let flat = short(1, 65536, |_, column| if column % 2 == 0 { 128 } else { -128 });
        Right::new(&flat).products(&flat, 0..1, &mut out);
        assert_eq!(out[0], 2f32.powi(30));
    }
}
