//! Loops over states: sixteen rows side by side, and sums in f64.

use babelscope_core::vector::dispatch;
use ndarray::ArrayView2;

use crate::product::short::{LANES, Line, ONE, pair};

/// Lays the 16 rows of a panel side by side, zeros where there are none, and gives them as they are.
pub(super) fn fill<'a>(states: ArrayView2<'a, f32>, panel: usize, strip: &mut [[f32; LANES]]) -> Option<&'a [f32]> {
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
pub(super) fn round(strip: &[[f32; LANES]], mean: &[f64], scale: &[f64; LANES], lines: &mut [Line]) -> f64 {
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
pub(super) fn mean(states: ArrayView2<'_, f32>) -> Vec<f64> {
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
/// The same where there are three of each.
const FEW: usize = 16;

/// `sum_k term(a_k, b_k)`.
pub(super) fn product<B: Copy>(a: &[f32], b: &[B], term: impl Fn(f32, B) -> f64) -> f64 {
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

/// `a b`, `a n` and `m b`.
pub(super) fn products(a: &[f32], b: &[f32], m: &[f64], n: &[f64]) -> [f64; 3] {
    dispatch(
        #[inline(always)]
        || {
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<FEW>(), b.as_chunks::<FEW>());
            let ((m, m_rest), (n, n_rest)) = (m.as_chunks::<FEW>(), n.as_chunks::<FEW>());
            let (mut ab, mut an, mut mb) = ([0f64; FEW], [0f64; FEW], [0f64; FEW]);
            for ((a, b), (m, n)) in a.iter().zip(b).zip(m.iter().zip(n)) {
                let (a, b) = (a.map(f64::from), b.map(f64::from));
                for l in 0..FEW {
                    ab[l] += a[l] * b[l];
                    an[l] += a[l] * n[l];
                    mb[l] += m[l] * b[l];
                }
            }
            let mut sums = [ab, an, mb].map(|lanes| lanes.iter().sum::<f64>());
            for ((a, b), (m, n)) in a_rest.iter().zip(b_rest).zip(m_rest.iter().zip(n_rest)) {
                let (a, b) = (f64::from(*a), f64::from(*b));
                sums = [sums[0] + a * b, sums[1] + a * n, sums[2] + m * b];
            }
            sums
        },
    )
}

/// `sum_k (a_k - m_k) (b_k - n_k)`.
pub(super) fn product_centred(a: &[f32], m: &[f64], b: &[f32], n: &[f64]) -> f64 {
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
