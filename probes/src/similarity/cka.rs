//! Centred kernel alignment of two linear kernels, biased and debiased.
//!
//! With `K = X X'` and `L = Y Y'` of centred states (`H` centres):
//!
//! - **biased** (Kornblith et al. 2019, arXiv 1905.00414): `tr(K H L H)`, normalised as a cosine. Between independent states it goes to 1
//!   as the width grows beyond the number of sentences (0.976 at n = 100, width 4096), so it is never shown alone.
//! - **debiased** (Song et al. 2012, JMLR 13, equation 5; Nguyen et al. 2021, arXiv 2010.15327): with `K~`, `L~` of zero diagonal,
//!   `HSIC = [tr(K~ L~) + 1'K~1 1'L~1 / ((n-1)(n-2)) - 2 / (n-2) 1'K~L~1] / (n (n-3))`. Needs n > 3; around 0, and so also below it, for
//!   independent states.
//!
//! As the states are centred, `K 1 = 0`, so `K~ 1 = -r` with `r_i = |x_i|^2`, and only `tr(K~ L~)` needs a product of matrices:
//!
//! - **kernel form**: the sum of `K_ij L_ij` over `i < j`, in tiles of rows; `n^2 width` products;
//! - **feature form**: `|X'Y|_F^2 - sum r_i s_i`, in tiles of columns; `n width^2` products.
//!
//! The cheaper one is taken, and tests hold one against the other. The debiased branch of xsim's `anatome.py` puts the cross terms into
//! both denominators and takes no root, so it is no CKA; its `google.py` is right and is what we are compared with.

use ndarray::{ArrayView2, s};
use rayon::prelude::*;

use super::algebra::{Centred, check, dot, refuse};
use crate::{Result, product::a_bt};

/// Rows or columns in a tile.
const TILE: usize = 256;

/// CKA of two sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cka {
    /// After Song et al.: about 0 for independent states, whatever the width; at most 1.
    pub debiased: f64,
    /// After Kornblith et al.: 0 to 1, and near 1 for any states that are wider than there are sentences.
    pub biased: f64,
}

/// Linear CKA of two sides, biased and debiased. Invariant to rotation, to one scale for all and to a shift of each side.
///
/// Memory: a centred copy of each side and two tiles a core.
///
/// # Shapes
/// `x` `[n, d1]`, `y` `[n, d2]`, n >= 4.
///
/// # Errors
/// Unequal n, fewer than 4 sentences, a value that is not finite, a side whose states are all the same.
///
/// ```
/// use babelscope_probes::similarity::cka;
/// use ndarray::array;
/// let english = array![[1f32, 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 0.]];
/// let german = array![[2f32, 0.1, 0.], [0.2, 1., 0.1], [0., 0.3, 0.9], [0.5, 0.4, 0.6]];
/// let found = cka(english.view(), german.view())?;
/// assert!((found.biased - 0.532441).abs() < 1e-6 && (found.debiased + 0.201948).abs() < 1e-6);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn cka(x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>) -> Result<Cka> {
    check("cka", x, y)?;
    let (x, y) = (Centred::new("cka", x)?, Centred::new("cka", y)?);
    if x.width().max(y.width()) < x.n() { features(&x, &y) } else { kernels(&x, &y) }.cka("cka")
}

/// HSIC of two sides up to a factor that cancels, in three sums of which both estimators are made.
#[derive(Clone, Copy, Default)]
struct Hsic {
    /// Sum of `K_ij L_ij` over i != j.
    apart: f64,
    /// Sum of `r_i s_i`.
    diagonal: f64,
    /// `tr K tr L`.
    traces: f64,
}

impl Hsic {
    fn new(apart: f64, x: &Centred, y: &Centred) -> Self {
        let diagonal = x.squares.iter().zip(&y.squares).map(|(r, s)| r * s).sum();
        Self { apart, diagonal, traces: x.squares.iter().sum::<f64>() * y.squares.iter().sum::<f64>() }
    }

    fn biased(self) -> f64 {
        self.apart + self.diagonal
    }

    fn debiased(self, n: usize) -> f64 {
        let n = n as f64;
        self.apart + self.traces / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * self.diagonal
    }
}

/// The cross term and those of each side with itself.
struct Terms {
    n: usize,
    xy: Hsic,
    xx: Hsic,
    yy: Hsic,
}

impl Terms {
    fn cka(&self, measure: &'static str) -> Result<Cka> {
        let biased = ratio(measure, self.xy.biased(), self.xx.biased(), self.yy.biased())?;
        let of = |h: Hsic| h.debiased(self.n);
        Ok(Cka { debiased: ratio(measure, of(self.xy), of(self.xx), of(self.yy))?, biased: biased.min(1.0) })
    }
}

/// `xy / sqrt(xx yy)`.
pub(super) fn ratio(measure: &'static str, xy: f64, xx: f64, yy: f64) -> Result<f64> {
    if xx > 0.0 && yy > 0.0 {
        return Ok((xy / (xx * yy).sqrt()).clamp(-1.0, 1.0));
    }
    refuse(measure, "a side has no variance between its sentences that could be shared")
}

fn kernels(x: &Centred, y: &Centred) -> Terms {
    let n = x.n();
    let tiles: Vec<usize> = (0..n).step_by(TILE).collect();
    let sums = tiles.into_par_iter().map(|top| {
        let end = (top + TILE).min(n);
        let tile = |c: &Centred| a_bt(c.rows.slice(s![top..end, ..]), c.rows.slice(s![top.., ..]), false);
        let (k, l) = (tile(x), tile(y));
        let mut sums = [0f64; 3];
        for (at, (k, l)) in k.outer_iter().zip(l.outer_iter()).enumerate() {
            let (Some(k), Some(l)) = (k.to_slice(), l.to_slice()) else { continue };
            let (k, l) = (&k[at + 1..], &l[at + 1..]);
            sums.iter_mut().zip([dot(k, l), dot(k, k), dot(l, l)]).for_each(|(sum, v)| *sum += 2.0 * v);
        }
        sums
    });
    let [xy, xx, yy] = total(&sums.collect::<Vec<_>>());
    Terms { n, xy: Hsic::new(xy, x, y), xx: Hsic::new(xx, x, x), yy: Hsic::new(yy, y, y) }
}

fn features(x: &Centred, y: &Centred) -> Terms {
    let norm = |a: &Centred, b: &Centred, symmetric: bool| {
        let tiles: Vec<usize> = (0..a.width()).step_by(TILE).collect();
        let sums = tiles.into_par_iter().map(|left| {
            let end = (left + TILE).min(a.width());
            let from = if symmetric { left } else { 0 };
            let tile = a_bt(a.rows.slice(s![.., left..end]).t(), b.rows.slice(s![.., from..]).t(), false);
            let mut sum = 0f64;
            for (at, row) in tile.outer_iter().enumerate() {
                let Some(row) = row.to_slice() else { continue };
                // Of a symmetric product: the diagonal once, what lies right of it twice.
                sum += if symmetric {
                    2.0 * dot(&row[at..], &row[at..]) - f64::from(row[at]).powi(2)
                } else {
                    dot(row, row)
                };
            }
            [sum]
        });
        let [sum] = total(&sums.collect::<Vec<_>>());
        sum
    };
    let of = |a: &Centred, b: &Centred, symmetric: bool| {
        let hsic = Hsic::new(norm(a, b, symmetric), a, b);
        Hsic { apart: hsic.apart - hsic.diagonal, ..hsic }
    };
    Terms { n: x.n(), xy: of(x, y, false), xx: of(x, x, true), yy: of(y, y, true) }
}

/// The sums of all tiles in their order, so that the number of threads changes nothing.
fn total<const N: usize>(tiles: &[[f64; N]]) -> [f64; N] {
    let mut sum = [0f64; N];
    tiles.iter().for_each(|tile| sum.iter_mut().zip(tile).for_each(|(s, v)| *s += v));
    sum
}

/// Debiased CKA of more sentences than are held at once (Nguyen et al. 2021, equation 2): the HSIC of each batch are summed, numerator and
/// denominators apart, and only then divided. Unbiased HSIC of batches of one size averages to that of all pairs within batches.
///
/// ```
/// use babelscope_probes::similarity::{MinibatchCka, cka};
/// use ndarray::{Array2, s};
/// let x = Array2::from_shape_fn((64, 5), |(i, j)| ((i * 13 + j * 7) % 11) as f32);
/// let y = &x * 3f32;
/// let mut sums = MinibatchCka::default();
/// for batch in [s![..32, ..], s![32.., ..]] {
///     sums.add(x.slice(batch), y.slice(batch))?;
/// }
/// assert!((sums.value()? - 1.0).abs() < 1e-6);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MinibatchCka {
    n: Option<usize>,
    xy: f64,
    xx: f64,
    yy: f64,
}

impl MinibatchCka {
    /// Adds a batch.
    ///
    /// # Errors
    /// As [`cka`]; a batch of another size than the first.
    pub fn add(&mut self, x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>) -> Result<()> {
        check("cka", x, y)?;
        let first = *self.n.get_or_insert(x.nrows());
        if first != x.nrows() {
            let why =
                format!("a batch has {} sentences, the first had {first}; leave the last, shorter one out", x.nrows());
            return refuse("cka", why);
        }
        let (x, y) = (Centred::new("cka", x)?, Centred::new("cka", y)?);
        let terms = if x.width().max(y.width()) < x.n() { features(&x, &y) } else { kernels(&x, &y) };
        self.xy += terms.xy.debiased(first);
        self.xx += terms.xx.debiased(first);
        self.yy += terms.yy.debiased(first);
        Ok(())
    }

    /// CKA of all batches so far.
    ///
    /// # Errors
    /// No batch.
    pub fn value(&self) -> Result<f64> {
        ratio("cka", self.xy, self.xx, self.yy)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayView2, array, s};
    use proptest::prelude::*;

    use super::{super::algebra::samples, Centred, MinibatchCka, cka, features, kernels};

    /// The definition, on kernels that were not centred.
    fn slow(x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>) -> f64 {
        let n = x.nrows();
        let gram = |x: ArrayView2<'_, f32>| {
            let x = x.mapv(f64::from);
            let mut k = x.dot(&x.t());
            k.diag_mut().fill(0.0);
            k
        };
        let hsic = |k: &Array2<f64>, l: &Array2<f64>| {
            let (kl, nf) = (k.dot(l), n as f64);
            kl.diag().sum() + k.sum() * l.sum() / ((nf - 1.0) * (nf - 2.0)) - 2.0 / (nf - 2.0) * kl.sum()
        };
        let (k, l) = (gram(x), gram(y));
        hsic(&k, &l) / (hsic(&k, &k) * hsic(&l, &l)).sqrt()
    }

    fn sides() -> impl Strategy<Value = (Array2<f32>, Array2<f32>)> {
        (5usize..40, 1usize..30, 1usize..30, any::<u64>()).prop_map(|(n, a, b, seed)| {
            let x = samples::gaussian(n, a, seed);
            let noise = samples::gaussian(n, b, seed ^ 1);
            let y = Array2::from_shape_fn((n, b), |(i, j)| x[[i, j % a]] + noise[[i, j]] + 3.0);
            (x, y)
        })
    }

    proptest! {
        #[test]
        fn kernel_form_is_feature_form_is_the_definition((x, y) in sides()) {
            let (cx, cy) = (Centred::new("cka", x.view()).unwrap(), Centred::new("cka", y.view()).unwrap());
            let (k, f) = (kernels(&cx, &cy).cka("cka").unwrap(), features(&cx, &cy).cka("cka").unwrap());
            prop_assert!((k.biased - f.biased).abs() < 1e-5, "{k:?} {f:?}");
            // With few sentences the debiased variance of a side can be small beside the sums that it is the difference of.
            prop_assert!((k.debiased - f.debiased).abs() < 1e-3, "{k:?} {f:?}");
            prop_assert!((k.debiased - slow(x.view(), y.view())).abs() < 1e-3);
            let back = kernels(&cy, &cx).cka("cka").unwrap();
            prop_assert!((k.debiased - back.debiased).abs() < 1e-12 && (k.biased - back.biased).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&k.biased) && k.debiased <= 1.0);
        }
    }

    #[test]
    fn rotation_scale_and_shift_of_a_side_change_nothing() {
        for (n, width) in [(60, 12), (20, 40)] {
            let (x, q) = (samples::gaussian(n, width, 1), samples::rotation(width, 2));
            let y = &x + &samples::gaussian(n, width, 3);
            let moved = (&y * 7f32).dot(&q) + 2.5;
            let (a, b) = (cka(x.view(), y.view()).unwrap(), cka(x.view(), moved.view()).unwrap());
            assert!((a.debiased - b.debiased).abs() < 1e-5 && (a.biased - b.biased).abs() < 1e-5, "{a:?} {b:?}");
            let same = cka(x.view(), x.dot(&q).view()).unwrap();
            assert!((same.debiased - 1.0).abs() < 1e-5 && (same.biased - 1.0).abs() < 1e-5);
            // Another scale of one coordinate does change it: it is no invariant of linear maps.
            let mut stretched = y.clone();
            stretched.column_mut(0).mapv_inplace(|v| 30.0 * v);
            assert!((cka(x.view(), stretched.view()).unwrap().debiased - a.debiased).abs() > 0.05);
        }
    }

    /// methods.md 9.4 (e).
    #[test]
    fn independent_states_are_zero_debiased_and_near_one_biased() {
        for (n, width, biased) in [(100, 64, 0.388), (100, 1024, 0.910), (100, 4096, 0.976)] {
            let found = cka(samples::gaussian(n, width, 5).view(), samples::gaussian(n, width, 6).view()).unwrap();
            assert!((found.biased - biased).abs() < 0.02, "{width}: {found:?}");
            assert!(found.debiased.abs() < 0.03, "{width}: {found:?}");
        }
    }

    #[test]
    fn batches_agree_with_all_at_once_when_there_are_many() {
        let x = samples::gaussian(2048, 8, 1);
        let y = &x + &samples::gaussian(2048, 8, 2);
        let mut sums = MinibatchCka::default();
        for top in (0..2048).step_by(128) {
            sums.add(x.slice(s![top..top + 128, ..]), y.slice(s![top..top + 128, ..])).unwrap();
        }
        let whole = cka(x.view(), y.view()).unwrap().debiased;
        assert!((sums.value().unwrap() - whole).abs() < 0.01);
        assert!(
            sums.add(x.slice(s![..5, ..]), y.slice(s![..5, ..])).unwrap_err().to_string().contains("the first had 128")
        );
        assert!(MinibatchCka::default().value().is_err());
    }

    #[test]
    fn bad_input_is_refused_with_a_sentence() {
        let (x, three) = (samples::gaussian(8, 3, 1), samples::gaussian(3, 3, 2));
        let why = |x: &Array2<f32>, y: &Array2<f32>| cka(x.view(), y.view()).unwrap_err().to_string();
        assert!(why(&three, &three).contains("at least 4 sentences are needed, got 3"));
        assert!(why(&x, &three).contains("8 and 3 sentences"));
        assert!(why(&x, &Array2::from_elem((8, 3), 0.1)).contains("all sentences have the same state"));
        assert!(why(&x, &Array2::zeros((8, 0))).contains("width 0"));
        let mut nan = x.clone();
        nan[[4, 1]] = f32::NAN;
        assert!(why(&nan, &x).contains("sentence 5 is not finite"));
        // A coordinate that never moves says nothing and disturbs nothing.
        let mut still = array![[1e3f32], [1e3], [1e3], [1e3], [1e3], [1e3], [1e3], [1e3]];
        still.append(ndarray::Axis(1), x.view()).unwrap();
        let (a, b) = (cka(x.view(), still.view()).unwrap(), cka(x.view(), x.view()).unwrap());
        assert!((a.debiased - b.debiased).abs() < 1e-5);
    }
}
