//! The states of one language at one layer, ready for cosines: raw, and with the mean of the language subtracted.
//!
//! One set of whole numbers serves both, as `x y = (x - m)(y - k) + m y + x k - m k`, see [`super::screen`].

use std::{collections::HashMap, sync::OnceLock};

use babelscope_core::vector::dispatch;
use ndarray::{ArrayView2, CowArray, Ix2};

use crate::product::short::{LANES, Line, ONE, Short, pair};

/// Below this share of the state's own norm, what centring leaves is the rounding of f32, not a direction.
const ROUNDING: f64 = 1e-6;

/// How the states are measured with one centring.
#[derive(Default)]
pub(super) struct Side {
    /// One over the norm of what is left; 0 where there is no direction. `[n]`.
    pub(super) scale: Vec<f64>,
    /// Sum of the unit vectors. `[width]`.
    pub(super) sum: Vec<f64>,
}

impl Side {
    /// How many rows have no direction.
    pub(super) fn without_direction(&self) -> usize {
        self.scale.iter().filter(|s| **s == 0.0).count()
    }

    /// Mean cosine of two different rows; `None` where fewer than two have a direction.
    pub(super) fn anisotropy(&self) -> Option<f64> {
        let n = self.scale.len();
        let directed = n - self.without_direction();
        let squares: f64 = self.sum.iter().map(|s| s * s).sum();
        (directed > 1).then(|| (squares - directed as f64) / (n as f64 * (n as f64 - 1.0)))
    }
}

/// Rows of norm 1 in whole numbers, zero where there is no direction.
pub(super) struct Whole {
    pub(super) short: Short,
    /// Largest norm of what rounding took from a row, in whole numbers.
    pub(super) lost: f64,
}

/// The states of one language at one layer.
pub(crate) struct Unit<'a> {
    /// As captured: `[n, width]`, standard layout.
    states: CowArray<'a, f32, Ix2>,
    /// Of the states. `[width]`.
    pub(super) mean: Vec<f64>,
    pub(super) raw: Side,
    pub(super) centred: Side,
    /// Norm of a state minus the mean. `[n]`.
    pub(super) left: Vec<f64>,
    /// The centred rows.
    whole: Whole,
    /// The raw rows, where somebody asked for them.
    whole_raw: OnceLock<Whole>,
    /// The first row that is equal bit for bit. `[n]`.
    pub(super) same: Vec<u32>,
    /// How many rows are equal to another one.
    pub(super) shared: usize,
}

impl<'a> Unit<'a> {
    /// `states` are finite; where they are not, so is the mean.
    pub(super) fn new(states: CowArray<'a, f32, Ix2>) -> Self {
        let states = if states.is_standard_layout() { states } else { states.as_standard_layout().into_owned().into() };
        let (n, width) = states.dim();
        let mean = mean(states.view());
        let zero = vec![0.0; width];
        let mut unit = Self {
            mean,
            raw: Side { scale: Vec::with_capacity(n), sum: zero.clone() },
            centred: Side { scale: Vec::with_capacity(n), sum: zero },
            left: Vec::with_capacity(n),
            whole: Whole { short: Short::new(n, width), lost: 0.0 },
            whole_raw: OnceLock::new(),
            same: Vec::new(),
            shared: 0,
            states,
        };
        let mut strip = vec![[0f32; LANES]; width];
        let mut norms = Vec::with_capacity(n);
        for panel in 0..n.div_ceil(LANES) {
            unit.strip(panel, &mut strip, &mut norms);
        }
        unit.duplicates(&norms);
        unit
    }

    /// Sixteen rows at once: a sum goes from the first column to the last in each row, as it would alone, and the rows lie side by side.
    fn strip(&mut self, panel: usize, strip: &mut [[f32; LANES]], norms: &mut Vec<f64>) {
        let Some(values) = fill(self.states.view(), panel, strip) else { return };
        let (first, width) = (panel * LANES, self.states.ncols());
        let mean = &self.mean;
        let (whole, left) = dispatch(
            #[inline(always)]
            || {
                let (mut whole, mut left) = ([0f64; LANES], [0f64; LANES]);
                for (column, m) in strip.iter().zip(mean) {
                    let column = column.map(f64::from);
                    for l in 0..LANES {
                        whole[l] += column[l] * column[l];
                    }
                    for l in 0..LANES {
                        left[l] += (column[l] - m) * (column[l] - m);
                    }
                }
                (whole, left)
            },
        );
        let mut scale = [0f64; LANES];
        for r in 0..values.len() / width.max(1) {
            let (whole, left) = (whole[r].sqrt(), left[r].sqrt());
            norms.push(whole);
            self.left.push(left);
            self.raw.scale.push(if whole > 0.0 { whole.recip() } else { 0.0 });
            scale[r] = if left > ROUNDING * whole && left > 0.0 { left.recip() } else { 0.0 };
            self.centred.scale.push(scale[r]);
        }
        let lost = round(strip, &self.mean, &scale, self.whole.short.panel_mut(panel));
        self.whole.lost = self.whole.lost.max(lost);
        let (raw, centred) = (&mut self.raw, &mut self.centred);
        dispatch(
            #[inline(always)]
            || {
                for (r, row) in values.chunks_exact(width.max(1)).enumerate() {
                    let (a, b) = (raw.scale[first + r], scale[r]);
                    let sums = raw.sum.iter_mut().zip(&mut centred.sum);
                    for ((x, m), (whole, left)) in row.iter().zip(mean).zip(sums) {
                        let x = f64::from(*x);
                        *whole += x * a;
                        *left += (x - m) * b;
                    }
                }
            },
        );
    }

    /// Finds equal rows among those of equal norm.
    fn duplicates(&mut self, norms: &[f64]) {
        let mut order: Vec<u32> = (0..).take(norms.len()).collect();
        order.sort_by(|a, b| norms[*a as usize].total_cmp(&norms[*b as usize]));
        self.same = (0..).take(norms.len()).collect();
        for group in order.chunk_by(|a, b| norms[*a as usize] == norms[*b as usize]).filter(|g| g.len() > 1) {
            // Sorted stably, so the first of each kind comes first.
            let mut kinds: HashMap<Vec<u32>, (u32, usize)> = HashMap::new();
            for &row in group {
                let bits = self.states.row(row as usize).iter().map(|x| x.to_bits()).collect();
                let (first, size) = kinds.entry(bits).or_insert((row, 0));
                *size += 1;
                self.same[row as usize] = *first;
                self.shared += match *size {
                    1 => 0,
                    2 => 2,
                    _ => 1,
                };
            }
        }
    }

    /// The rows of norm 1, raw or centred.
    pub(super) fn whole(&self, centred: bool) -> &Whole {
        if centred {
            return &self.whole;
        }
        self.whole_raw.get_or_init(|| {
            let (n, width) = self.states.dim();
            let (mut short, mut lost) = (Short::new(n, width), 0f64);
            let (mut strip, zero) = (vec![[0f32; LANES]; width], vec![0f64; width]);
            for panel in 0..short.panels() {
                fill(self.states.view(), panel, &mut strip);
                let mut scale = [0f64; LANES];
                scale.iter_mut().zip(&self.raw.scale[panel * LANES..]).for_each(|(to, from)| *to = *from);
                lost = lost.max(round(&strip, &zero, &scale, short.panel_mut(panel)));
            }
            Whole { short, lost }
        })
    }

    /// How many sentences.
    pub(crate) fn sentences(&self) -> usize {
        self.states.nrows()
    }

    /// How many numbers a state has.
    pub(super) fn width(&self) -> usize {
        self.states.ncols()
    }

    /// Raw or centred.
    pub(super) fn side(&self, centred: bool) -> &Side {
        if centred { &self.centred } else { &self.raw }
    }

    /// Product of a state with a vector, in f64.
    pub(super) fn times(&self, i: usize, vector: &[f64]) -> f64 {
        self.states.row(i).to_slice().map_or(0.0, |row| product(row, vector, |x, v| f64::from(x) * v))
    }

    /// Cosine of row `i` here and row `j` of `other`: the sum in f64 from the first column to the last, rounded to f32.
    ///
    /// The sum is first taken in the order that is fastest. Only where an f32 might change with the order is it taken again.
    pub(crate) fn cosine(&self, centred: bool, i: usize, other: &Unit<'_>, j: usize) -> f32 {
        let (a, b) = (self.side(centred).scale[i], other.side(centred).scale[j]);
        if a == 0.0 || b == 0.0 {
            return 0.0;
        }
        let (Some(left), Some(right)) = (self.states.row(i).to_slice(), other.states.row(j).to_slice()) else {
            return 0.0;
        };
        let fast = if centred {
            product_centred(left, &self.mean, right, &other.mean)
        } else {
            product(left, right, |x, y| f64::from(x) * f64::from(y))
        };
        let fast = fast * a * b;
        // Two sums of products of vectors of norm 1 differ by less than this in whatever order (Higham 2002, section 3.1), twice over.
        let slack = 2.0 * (self.width() as f64 + 8.0) * f64::EPSILON;
        let (low, high) = ((fast - slack) as f32, (fast + slack) as f32);
        if low == high && low != 0.0 {
            return low;
        }
        let sum: f64 = if centred {
            let left = left.iter().zip(&self.mean);
            let right = right.iter().zip(&other.mean);
            left.zip(right).map(|((x, m), (y, k))| (f64::from(*x) - m) * (f64::from(*y) - k)).sum()
        } else {
            left.iter().zip(right).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        (sum * a * b) as f32
    }
}

/// Lays the 16 rows of a panel side by side, zeros where there are none, and gives them as they are.
fn fill<'a>(states: ArrayView2<'a, f32>, panel: usize, strip: &mut [[f32; LANES]]) -> Option<&'a [f32]> {
    let (n, width) = states.dim();
    let first = panel * LANES;
    let rows = LANES.min(n - first);
    let values = &states.to_slice()?[first * width..(first + rows) * width];
    // A block of columns at a time, as it stays in the nearest cache while row after row is written into it.
    for (block, columns) in strip.chunks_mut(LANES).enumerate() {
        for (r, row) in values.chunks_exact(width.max(1)).enumerate() {
            row[block * LANES..].iter().zip(&mut *columns).for_each(|(x, column)| column[r] = *x);
        }
    }
    for r in rows..LANES {
        strip.iter_mut().for_each(|column| column[r] = 0.0);
    }
    Some(values)
}

/// Rounds 16 rows to whole numbers; the largest norm of what that takes away.
fn round(strip: &[[f32; LANES]], mean: &[f64], scale: &[f64; LANES], lines: &mut [Line]) -> f64 {
    let lost = dispatch(
        #[inline(always)]
        || {
            let mut lost = [0f64; LANES];
            let (pairs, last) = strip.as_chunks::<2>();
            let (means, mean_last) = mean.as_chunks::<2>();
            for ((line, [a, b]), [m, k]) in lines.iter_mut().zip(pairs).zip(means) {
                let low = round_column(a, *m, scale, &mut lost);
                let high = round_column(b, *k, scale, &mut lost);
                for l in 0..LANES {
                    line.0[l] = pair(low[l], high[l]);
                }
            }
            if let (Some(column), Some(m), Some(line)) = (last.first(), mean_last.first(), lines.last_mut()) {
                line.0 = round_column(column, *m, scale, &mut lost).map(|number| pair(number, 0));
            }
            lost
        },
    );
    lost.iter().fold(0f64, |most, lost| most.max(lost.sqrt()))
}

#[inline(always)]
fn round_column(column: &[f32; LANES], m: f64, scale: &[f64; LANES], lost: &mut [f64; LANES]) -> [i32; LANES] {
    // Adding and subtracting 1.5 * 2^52 rounds to the nearest whole number, which is in the low bits of the sum.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let mut numbers = [0i32; LANES];
    for l in 0..LANES {
        let exact = (f64::from(column[l]) - m) * scale[l] * ONE;
        let shifted = exact + ROUND;
        let off = exact - (shifted - ROUND);
        lost[l] += off * off;
        numbers[l] = shifted.to_bits() as i32;
    }
    numbers
}

/// Mean of the rows in f64, row after row. `[width]`.
fn mean(states: ArrayView2<'_, f32>) -> Vec<f64> {
    let mut mean = vec![0f64; states.ncols()];
    dispatch(
        #[inline(always)]
        || {
            for row in states.outer_iter() {
                if let Some(row) = row.as_slice() {
                    mean.iter_mut().zip(row).for_each(|(m, x)| *m += f64::from(*x));
                }
            }
        },
    );
    mean.iter_mut().for_each(|m| *m /= states.nrows() as f64);
    mean
}

/// Sums that run side by side.
const SUMS: usize = 32;

/// `sum_k term(a_k, b_k)`.
fn product<B: Copy>(a: &[f32], b: &[B], term: impl Fn(f32, B) -> f64) -> f64 {
    dispatch(
        #[inline(always)]
        || {
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<SUMS>(), b.as_chunks::<SUMS>());
            let mut sums = [0f64; SUMS];
            for (a, b) in a.iter().zip(b) {
                for l in 0..SUMS {
                    sums[l] += term(a[l], b[l]);
                }
            }
            let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
            sums.iter().sum::<f64>() + rest
        },
    )
}

/// `sum_k (a_k - m_k) (b_k - n_k)`.
fn product_centred(a: &[f32], m: &[f64], b: &[f32], n: &[f64]) -> f64 {
    dispatch(
        #[inline(always)]
        || {
            let ((a, a_rest), (m, m_rest)) = (a.as_chunks::<SUMS>(), m.as_chunks::<SUMS>());
            let ((b, b_rest), (n, n_rest)) = (b.as_chunks::<SUMS>(), n.as_chunks::<SUMS>());
            let mut sums = [0f64; SUMS];
            for ((a, m), (b, n)) in a.iter().zip(m).zip(b.iter().zip(n)) {
                for l in 0..SUMS {
                    sums[l] += (f64::from(a[l]) - m[l]) * (f64::from(b[l]) - n[l]);
                }
            }
            let left = a_rest.iter().zip(m_rest).map(|(a, m)| f64::from(*a) - m);
            let right = b_rest.iter().zip(n_rest).map(|(b, n)| f64::from(*b) - n);
            sums.iter().sum::<f64>() + left.zip(right).map(|(x, y)| x * y).sum::<f64>()
        },
    )
}
