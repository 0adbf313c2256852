//! Which cosines can be the largest of their row or column: bounds of all of them from one product of whole numbers.
//!
//! With the means m and k of two languages, the norms of `x - m` and `y - k`, and u their product as rows of norm 1:
//!
//! - centred: the cosine is u;
//! - raw: `cos(x, y) = c d u + p b + a g`, where `c = |x - m| / |x|`, `p = |m| / |x|`, `a = (x - m) k / |k| / |x|` belong to the row and
//!   `d = |y - k| / |y|`, `g = |k| / |y|`, `b = m y / |m| / |y|` to the column. In a narrow cone c and d are small, so the raw cosines are
//!   known better than the centred ones, however far from zero the cone is. Where a state is far closer to zero than to the mean they are
//!   known worse, and products of raw rows are taken instead.
//!
//! The raw form is taken relative to its middle `P B + A G` (capitals: means over the rows), in f64 where terms cancel, so that f32 can hold
//! it: `c d u + (p - P)(b - B) + (a - A)(g - G) + row + column` with `row = B (p - P) + G (a - A)`, `column = P (b - B) + A (g - G)`.
//!
//! u is off by no more than `(r + s) / 32767 + ...` for rows that lost r and s in rounding (Cauchy and Schwarz), so no cosine is ever missed.

use super::unit::Unit;
use crate::product::short::{LANES, ONE};

/// Half of the smallest step of an f32 near 1, which every f32 operation is off by at most.
const HALF: f32 = f32::EPSILON / 2.0;

/// Lower bounds of the cosines of a pair of languages with one centring, relative to `middle`.
pub(super) struct Screen {
    middle: f64,
    rows: Vec<Row>,
    columns: Columns,
    /// How far u is off.
    off: f32,
}

/// Rows of which products are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Raw,
    Centred,
}

/// Where a state is so many times closer to zero than to the mean, centred products say nothing of its raw cosines.
const WILD: f64 = 100.0;

/// Whether raw cosines are better sought among raw products.
pub(super) fn wild(unit: &Unit<'_>) -> bool {
    unit.left.iter().zip(&unit.raw.scale).any(|(left, scale)| left * scale > WILD)
}

/// `|x - m| / |x|`, zero for rows without a direction, and the largest of those: what is left of them is rounding that is not in u, and so
/// counts as error.
fn shares(unit: &Unit<'_>) -> (Vec<f64>, f64) {
    let all = unit.left.iter().zip(&unit.raw.scale).map(|(left, scale)| left * scale);
    let mut lost = 0f64;
    let shares = all.zip(&unit.centred.scale).map(|(share, scale)| {
        if *scale == 0.0 {
            lost = lost.max(share);
            return 0.0;
        }
        share
    });
    (shares.collect(), lost)
}

/// Products of the states of each language with the mean of the other one. `[n]`.
#[derive(Default)]
pub(super) struct Crossed {
    pub(super) xk: Vec<f64>,
    pub(super) my: Vec<f64>,
}

/// What belongs to a row.
#[derive(Clone, Copy)]
struct Row {
    /// `c`
    share: f32,
    /// `p - P`
    inverse: f32,
    /// `a - A`
    along: f32,
    /// `B (p - P) + G (a - A)`, less the slack.
    shift: f32,
    /// Rounding of f32, and of cosines to f32.
    slack: f32,
}

/// What belongs to the columns, up to whole panels.
struct Columns {
    /// `d`
    share: Vec<f32>,
    /// `b - B`
    along: Vec<f32>,
    /// `g - G`
    inverse: Vec<f32>,
    /// `P (b - B) + A (g - G)`; minus infinity where there is no column.
    shift: Vec<f32>,
}

impl Screen {
    /// Bounds of the cosines with one centring, from the products of raw or of centred rows.
    pub(super) fn new(pivot: &Unit<'_>, language: &Unit<'_>, (centred, rows): (bool, Rows), crossed: &Crossed) -> Self {
        let (r, s) = (pivot.whole(rows == Rows::Centred).lost, language.whole(rows == Rows::Centred).lost);
        let rounding = pivot.width().next_multiple_of(2) as f64 * f64::from(HALF);
        let off = (1.001 * ((r + s) / ONE + 3.0 * r * s / (ONE * ONE) + rounding)) as f32;
        if centred == (rows == Rows::Centred) {
            Self::plain(pivot.sentences(), off)
        } else {
            Self::moved(pivot, language, off, crossed)
        }
    }

    /// The products are the cosines.
    fn plain(n: usize, off: f32) -> Self {
        let places = n.next_multiple_of(LANES);
        // The roundings of a product and of a difference of numbers of at most 1, and that of the cosines themselves.
        let slack = 16.0 * HALF;
        let row = Row { share: 1.0, inverse: 0.0, along: 0.0, shift: -slack, slack };
        let shift = (0..places).map(|j| if j < n { 0.0 } else { f32::NEG_INFINITY }).collect();
        let zero = vec![0.0; places];
        let columns = Columns { share: vec![1.0; places], along: zero.clone(), inverse: zero, shift };
        Self { middle: 0.0, rows: vec![row; n], columns, off }
    }

    /// The products are those of centred rows, the cosines are raw.
    fn moved(pivot: &Unit<'_>, language: &Unit<'_>, off: f32, crossed: &Crossed) -> Self {
        let n = pivot.sentences();
        let square = |of: &[f64]| of.iter().map(|x| x * x).sum::<f64>().sqrt();
        // In units of the norms of the means, so that nothing here is larger than WILD.
        let (m_norm, k_norm) = (square(&pivot.mean), square(&language.mean));
        let over = |x: f64, norm: f64| if norm > 0.0 { x / norm } else { 0.0 };
        let between: f64 = pivot.mean.iter().zip(&language.mean).map(|(m, k)| m * k).sum();
        let (x_scale, y_scale) = (&pivot.raw.scale, &language.raw.scale);
        let p: Vec<f64> = x_scale.iter().map(|scale| scale * m_norm).collect();
        let a: Vec<f64> =
            crossed.xk.iter().zip(x_scale).map(|(xk, scale)| over((xk - between) * scale, k_norm)).collect();
        let g: Vec<f64> = y_scale.iter().map(|scale| scale * k_norm).collect();
        let b: Vec<f64> = crossed.my.iter().zip(y_scale).map(|(my, scale)| over(my * scale, m_norm)).collect();
        let mean = |of: &[f64]| of.iter().sum::<f64>() / n as f64;
        let (p_mean, a_mean, g_mean, b_mean) = (mean(&p), mean(&a), mean(&g), mean(&b));
        let ((c, c_lost), (d, d_lost)) = (shares(pivot), shares(language));

        let column = |of: &dyn Fn(usize) -> f64, rest: f32| -> (Vec<f32>, f32) {
            let mut all: Vec<f32> = (0..n).map(|j| of(j) as f32).collect();
            let most = all.iter().fold(0f32, |most, x| most.max(x.abs()));
            all.resize(n.next_multiple_of(LANES), rest);
            (all, most)
        };
        let (share, share_most) = column(&|j| d[j], 0.0);
        let (along, along_most) = column(&|j| b[j] - b_mean, 0.0);
        let (inverse, inverse_most) = column(&|j| g[j] - g_mean, 0.0);
        let shift = |j: usize| p_mean * (b[j] - b_mean) + a_mean * (g[j] - g_mean);
        let (shift, shift_most) = column(&shift, f32::NEG_INFINITY);
        let row = |i: usize| {
            let (p, a) = (p[i] - p_mean, a[i] - a_mean);
            let shift = (b_mean * p + g_mean * a) as f32;
            let (share, inverse, along) = (c[i] as f32, p as f32, a as f32);
            let size =
                share * share_most + inverse.abs() * along_most + along.abs() * inverse_most + shift_most + shift.abs();
            let lost = c_lost * f64::from(share_most).max(d_lost) + c[i] * d_lost;
            // Roundings of each factor, of each product and of each sum: nine at most, and that of the cosines themselves.
            let slack = 20.0 * HALF * size + 1.01 * lost as f32 + 4.0 * HALF;
            Row { share, inverse, along, shift: shift - slack, slack }
        };
        let columns = Columns { share, along, inverse, shift };
        Self { middle: p_mean * b_mean + a_mean * g_mean, rows: (0..n).map(row).collect(), columns, off }
    }

    /// How many columns, up to whole panels.
    pub(super) fn places(&self) -> usize {
        self.columns.share.len()
    }

    /// Bounds below and above of a cosine that is known, in the measure of [`Screen::lower`].
    pub(super) fn known(&self, cosine: f32) -> (f32, f32) {
        let at = (f64::from(cosine) - self.middle) as f32;
        let slack = 4.0 * HALF * (1.0 + at.abs());
        (at - slack, at + slack)
    }

    /// Lower bounds of the cosines of row `i` from its products with all columns.
    #[inline(always)]
    pub(super) fn lower(&self, i: usize, products: &[f32], out: &mut [f32]) {
        const UNIT: f32 = (1.0 / (ONE * ONE)) as f32;
        let row = self.rows[i];
        let Columns { share, along, inverse, shift } = &self.columns;
        let columns = share.iter().zip(shift).zip(along.iter().zip(inverse));
        for ((out, u), ((d, shift), (along, inverse))) in out.iter_mut().zip(products).zip(columns) {
            let moved = row.inverse * along + row.along * inverse;
            *out = (u * UNIT - self.off) * d * row.share + (moved + (shift + row.shift));
        }
    }

    /// From a lower bound to the upper one: `upper = lower + (first * share of the column + second)`.
    #[inline(always)]
    pub(super) fn between(&self, i: usize) -> (f32, f32) {
        let row = self.rows[i];
        // A hair more than twice what `lower` took off, as the steps of f32 have no end.
        (2.01 * row.share * self.off, 2.01 * row.slack)
    }

    /// Shares of the columns, for [`Screen::between`].
    #[inline(always)]
    pub(super) fn shares(&self) -> &[f32] {
        &self.columns.share
    }
}
