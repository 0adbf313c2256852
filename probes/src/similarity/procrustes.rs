//! Orthogonal Procrustes: are two sides the same up to a rotation, and does the rotation hold for sentences it was not fitted on?
//!
//! `W = argmin |X W - Y|_F` over `W' W = I` is `U V'` of the decomposition `X'Y = U S V'` (Schoenemann 1966, doi 10.1007/BF02289451).
//!
//! - **distance**, in sample: both sides centred and scaled to Frobenius norm 1, `2 - 2 sum S`, from 0 to 2. With n < width a rotation fits
//!   almost anything, so a small distance alone says nothing.
//! - **held out**: W is fitted on one half of the sentences and tested on the other. MEXA and recall@1 (mean of both directions) by cosine
//!   among the tested sentences, before and after the rotation; both sides are centred by the mean of the half that W was fitted on, so
//!   the gap is the rotation's alone. Much before and no gap: shared axes. Nothing before and much after: same shape, other axes.
//!
//! W rotates the directions that the fitted half spans on each side, at most `directions` of them, and nothing else: of the rest of the space
//! the half says nothing. Where there are fewer fitted sentences than coordinates, tested sentences lose what lies outside, and the
//! gap may be below 0. MUSE stores the transposed map; xsim fits scale and translation too.

use faer::{Mat, MatRef};
use ndarray::{Array2, ArrayView2};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use super::{
    algebra::{Centred, ROUNDING, Svd, check, less, mean, narrow, product, refuse, rows_f64, singular_values},
    retrieval::{Closest, Found, unit},
};
use crate::Result;

const MEASURE: &str = "procrustes";

/// What [`procrustes`] finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Procrustes {
    /// Of all sentences, in sample: 0 (the same up to rotation, scale and shift) to 2.
    pub distance: f64,
    /// Before the rotation.
    pub before: Found,
    /// After the rotation.
    pub after: Found,
}

impl Procrustes {
    /// How much recall the rotation adds: what is shared but lies on other axes.
    pub fn gap(&self) -> f64 {
        self.after.recall - self.before.recall
    }
}

/// Two halves of n sentences, shuffled by a seed: fitted on the first, tested on the second. Each ascending; of an odd number the
/// first has one more.
///
/// ```
/// use babelscope_probes::similarity::halves;
/// let (fit, test) = halves(5, 1);
/// assert_eq!((fit.len(), test.len()), (3, 2));
/// assert_eq!(halves(5, 1), (fit, test));
/// ```
pub fn halves(n: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut all: Vec<usize> = (0..n).collect();
    all.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut test = all.split_off(n.div_ceil(2));
    all.sort_unstable();
    test.sort_unstable();
    (all, test)
}

/// A rotation fitted on some sentences and tested on others, and the distance of all.
///
/// # Shapes
/// Both `[n, width]`, n >= 4; `fit` and `test` are places of sentences.
///
/// # Errors
/// As [`super::cka`]; unequal widths (a cosine before the rotation needs one space); fewer than 2 sentences to fit or to test; a place that
/// is not there or on both lists; no direction.
///
/// ```
/// use babelscope_probes::similarity::{halves, procrustes};
/// use ndarray::{Array2, array};
/// let x = Array2::from_shape_fn((40, 3), |(i, j)| ((i * i * (j + 3) + 7 * i) as f32).sin());
/// let turned = x.dot(&array![[0f32, 1., 0.], [0., 0., 1.], [1., 0., 0.]]); // another order of the axes
/// let (fit, test) = halves(40, 1);
/// let found = procrustes(x.view(), turned.view(), &fit, &test, 256)?;
/// assert!(found.distance < 1e-6 && found.after.recall == 1.0 && found.before.recall < 0.5);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn procrustes(
    x: ArrayView2<'_, f32>,
    y: ArrayView2<'_, f32>,
    fit: &[usize],
    test: &[usize],
    directions: usize,
) -> Result<Procrustes> {
    let (x, y) = sides(x, y, fit, test, directions)?;
    let fitted = Fitted::new(&x, &y)?;
    Ok(Procrustes { distance: fitted.distance, before: fitted.before.found(None), after: fitted.after.found(None) })
}

/// The tested sentences of `x` rotated onto the axes of `y`, and those of `y` centred as they were for the fit.
///
/// # Shapes
/// `[n, width]` twice to `[test, width]` twice.
///
/// # Errors
/// As [`procrustes`].
pub fn rotated(
    x: ArrayView2<'_, f32>,
    y: ArrayView2<'_, f32>,
    fit: &[usize],
    test: &[usize],
    directions: usize,
) -> Result<(Array2<f32>, Array2<f32>)> {
    let here = sides(x, y, fit, test, directions)?;
    let rotation = rotation(here.0.fit.as_ref(), here.1.fit.as_ref())?;
    let turned = product(product(here.0.test.as_ref(), rotation.as_ref()).as_ref(), here.1.axes.transpose());
    let mean = mean(y, fit.iter().copied());
    let turned = Array2::from_shape_fn(turned.shape(), |(i, j)| turned[(i, j)] as f32);
    Ok((turned, less(y.select(ndarray::Axis(0), test).view(), &mean)))
}

/// The distance of two sides in sample, 0 to 2: `2 - 2 |X'Y|_*` of sides that are centred and scaled to norm 1.
///
/// # Shapes
/// `x` `[n, d1]`, `y` `[n, d2]`, n >= 4.
///
/// # Errors
/// As [`super::cka`].
///
/// ```
/// use babelscope_probes::similarity::procrustes_distance;
/// use ndarray::array;
/// let square = array![[0f32, 0.], [1., 0.], [1., 1.], [0., 1.]];
/// let line = array![[0f32], [1.], [1.], [0.]];
/// // Of a square of variance 1/2 + 1/2 the line holds one: 2 - 2 sqrt(1/2).
/// assert!((procrustes_distance(square.view(), line.view())? - (2.0 - 2f64.sqrt())).abs() < 1e-6);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn procrustes_distance(x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>) -> Result<f64> {
    check(MEASURE, x, y)?;
    distance(scaled(x)?.as_ref(), scaled(y)?.as_ref())
}

/// A side of norm 1, as narrow as it can be.
fn scaled(x: ArrayView2<'_, f32>) -> Result<Mat<f64>> {
    let centred = Centred::new(MEASURE, x)?;
    let norm = centred.squares.iter().sum::<f64>().sqrt();
    Ok(narrow(Mat::from_fn(centred.n(), centred.width(), |i, j| f64::from(centred.rows[[i, j]]) / norm)))
}

fn distance(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<f64> {
    let nuclear: f64 = singular_values(MEASURE, product(x.transpose(), y).as_ref())?.iter().sum();
    Ok((2.0 - 2.0 * nuclear).clamp(0.0, 2.0))
}

fn sides(
    x: ArrayView2<'_, f32>,
    y: ArrayView2<'_, f32>,
    fit: &[usize],
    test: &[usize],
    directions: usize,
) -> Result<(Side, Side)> {
    check(MEASURE, x, y)?;
    Ok((Side::new(x, fit, test, directions)?, Side::new(y, fit, test, directions)?))
}

/// One side, in the directions that its fitted half spans.
pub(super) struct Side {
    /// All sentences, for the distance. `[n, at most n]`.
    all: Mat<f64>,
    /// `[fit, r]`.
    fit: Mat<f64>,
    /// `[test, r]`.
    test: Mat<f64>,
    /// `[width, r]`.
    axes: Mat<f64>,
    /// Tested states, centred and of norm 1. `[test, width]`.
    unit: Array2<f32>,
}

impl Side {
    /// # Errors
    /// As [`procrustes`].
    pub(super) fn new(x: ArrayView2<'_, f32>, fit: &[usize], test: &[usize], directions: usize) -> Result<Self> {
        let n = x.nrows();
        if fit.len() < 2 || test.len() < 2 {
            let why =
                format!("{} sentences to fit on and {} to test on; expected at least 2 of each", fit.len(), test.len());
            return refuse(MEASURE, why);
        }
        if directions == 0 {
            return refuse(MEASURE, "0 directions to rotate; use 256");
        }
        if let Some(bad) = fit.iter().chain(test).find(|i| **i >= n) {
            return refuse(MEASURE, format!("sentence {} is asked for, there are {n}", bad + 1));
        }
        if let Some(both) = fit.iter().find(|i| test.contains(i)) {
            return refuse(MEASURE, format!("sentence {} is both fitted on and tested on", both + 1));
        }
        let all = scaled(x)?;
        let mean = mean(x, fit.iter().copied());
        let fitted = rows_f64(x, &mean, fit);
        let size = |rows: &Mat<f64>| rows.col_iter().flat_map(|c| c.iter()).map(|v| v * v).sum::<f64>();
        let raw = rows_f64(x, &vec![0.0; mean.len()], fit);
        let svd = Svd::new(MEASURE, fitted.as_ref())?;
        let r = svd.rank().min(directions);
        if r == 0 || size(&fitted) <= ROUNDING * ROUNDING * size(&raw) {
            return refuse(MEASURE, "all sentences to fit on have the same state, so there is nothing to rotate");
        }
        let tested = rows_f64(x, &mean, test);
        let axes = svd.v.get(.., ..r).to_owned();
        Ok(Self {
            all,
            fit: Mat::from_fn(fit.len(), r, |i, j| svd.u[(i, j)] * svd.s[j]),
            test: product(tested.as_ref(), axes.as_ref()),
            axes,
            unit: unit(tested.as_ref()),
        })
    }
}

/// `U V'` of `x'y`.
fn rotation(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Mat<f64>> {
    let svd = Svd::new(MEASURE, product(x.transpose(), y).as_ref())?;
    Ok(product(svd.u.as_ref(), svd.v.transpose()))
}

/// Two sides with the rotation between them.
pub(super) struct Fitted<'a> {
    x: &'a Side,
    y: &'a Side,
    pub(super) distance: f64,
    pub(super) before: Closest,
    pub(super) after: Closest,
}

impl<'a> Fitted<'a> {
    /// # Errors
    /// Unequal widths; the decomposition does not converge.
    pub(super) fn new(x: &'a Side, y: &'a Side) -> Result<Self> {
        let (width, there) = (x.unit.ncols(), y.unit.ncols());
        if width != there {
            let why = format!(
                "the sides have widths {width} and {there}, so they have no cosine before a rotation; use CKA instead"
            );
            return refuse(MEASURE, why);
        }
        let distance = distance(x.all.as_ref(), y.all.as_ref())?;
        let before = Closest::new(&x.unit, &y.unit);
        Ok(Self { x, y, distance, before, after: rotate(x, y, y.fit.as_ref())? })
    }

    /// Fitted and tested on pairs that do not belong together: `fit` and `test` permute the two halves of the other side.
    ///
    /// # Errors
    /// The decomposition does not converge.
    pub(super) fn drawn(&self, fit: &[u32], test: &[u32]) -> Result<(Found, Found)> {
        let there = Mat::from_fn(self.y.fit.nrows(), self.y.fit.ncols(), |i, j| self.y.fit[(fit[i] as usize, j)]);
        let after = rotate(self.x, self.y, there.as_ref())?;
        Ok((self.before.found(Some(test)), after.found(Some(test))))
    }

    /// Products that a draw of the null takes, roughly.
    pub(super) fn cost(&self) -> f64 {
        let (fit, test, r) = (self.x.fit.nrows() as f64, self.x.test.nrows() as f64, self.x.fit.ncols() as f64);
        2.0 * fit * r * r + 30.0 * r.powi(3) + 2.0 * test * (test + r) * r
    }
}

fn rotate(x: &Side, y: &Side, fit: MatRef<'_, f64>) -> Result<Closest> {
    let turned = product(x.test.as_ref(), rotation(x.fit.as_ref(), fit)?.as_ref());
    Ok(Closest::new(&unit(turned.as_ref()), &unit(y.test.as_ref())))
}

#[cfg(test)]
mod tests {
    use faer::Mat;
    use ndarray::Array2;

    use super::{
        super::{
            algebra::{product, samples, singular_values},
            anc::{anc, chance},
            cka::cka,
        },
        halves, procrustes, procrustes_distance, rotated,
    };

    /// methods.md 2.5: nuclear norm 4.879177 and residual 1.971645 of the sides as they are.
    #[test]
    fn the_toy() {
        let (x, y) = samples::toy();
        let of = |x: &Array2<f32>| Mat::from_fn(4, 3, |i, j| f64::from(x[[i, j]]));
        let (a, b) = (of(&x), of(&y));
        let nuclear: f64 =
            singular_values("procrustes", product(a.transpose(), b.as_ref()).as_ref()).unwrap().iter().sum();
        let squares = |m: &Mat<f64>| m.col_iter().flat_map(|c| c.iter()).map(|v| v * v).sum::<f64>();
        assert!((nuclear - 4.879177).abs() < 1e-6);
        assert!((squares(&a) + squares(&b) - 2.0 * nuclear - 1.971645).abs() < 1e-6);
        // The same centred and scaled, by numpy: 0.540053.
        assert!((procrustes_distance(x.view(), y.view()).unwrap() - 0.540053).abs() < 1e-6);
    }

    #[test]
    fn the_distance_is_blind_to_rotation_scale_and_shift_wide_or_narrow() {
        for (n, width) in [(60, 10), (12, 40)] {
            let x = samples::gaussian(n, width, 1);
            let y = &x + &samples::gaussian(n, width, 2);
            let moved = (&y * 3f32).dot(&samples::rotation(width, 3)) + 7.0;
            let of = |a: &Array2<f32>, b: &Array2<f32>| procrustes_distance(a.view(), b.view()).unwrap();
            assert!((of(&x, &y) - of(&x, &moved)).abs() < 1e-4 && (of(&x, &y) - of(&y, &x)).abs() < 1e-9);
            assert!(of(&x, &x) < 1e-6 && (0.0..=2.0).contains(&of(&x, &samples::gaussian(n, width, 4))));
        }
        // Fewer sentences than coordinates: strangers fit in sample.
        assert!(
            procrustes_distance(samples::gaussian(12, 400, 1).view(), samples::gaussian(12, 400, 2).view()).unwrap()
                < 0.6
        );
    }

    /// methods.md 9.4 (b).
    #[test]
    fn planted_rotation() {
        let (n, width) = (400, 64);
        let table =
            [(0.0, 1.0, 1.0, 1.0), (0.5, 1.0, 0.638, 0.749), (1.0, 0.43, 0.241, 0.330), (2.0, 0.0, 0.035, 0.080)];
        for (s, mexa, cka_value, anc_after) in table {
            let shared = samples::gaussian(n, width, 1);
            let side = |seed| &shared + &(samples::gaussian(n, width, seed) * s);
            let (x, y) = (side(2), side(5).dot(&samples::rotation(width, 3)));
            let (fit, test) = halves(n, 4);
            let found = procrustes(x.view(), y.view(), &fit, &test, 256).unwrap();
            assert!(found.before.mexa < 0.03, "{s}: {found:?}");
            assert!((found.after.mexa - mexa).abs() < 0.12, "{s}: {found:?}");
            assert!((cka(x.view(), y.view()).unwrap().debiased - cka_value).abs() < 0.05);
            let (turned, there) = rotated(x.view(), y.view(), &fit, &test, 256).unwrap();
            assert!((anc(turned.view(), there.view()).unwrap().value - anc_after).abs() < 0.05);
            assert!(anc(x.view(), y.view()).unwrap().value < 0.15);
        }
        // The null of ANC on the 200 that are tested.
        assert!((chance(200) - 0.056).abs() < 0.001);
    }

    #[test]
    fn without_a_rotation_there_is_no_gap_and_of_strangers_there_is_nothing() {
        let x = samples::gaussian(200, 20, 1);
        let y = &x + &(samples::gaussian(200, 20, 2) * 0.2) + 9.0;
        let (fit, test) = halves(200, 1);
        let found = procrustes(x.view(), y.view(), &fit, &test, 256).unwrap();
        assert!(found.before.recall > 0.95 && found.gap().abs() < 0.05, "{found:?}");
        let strange = procrustes(x.view(), samples::gaussian(200, 20, 9).view(), &fit, &test, 256).unwrap();
        assert!(strange.after.recall < 0.06 && strange.before.recall < 0.06, "{strange:?}");
        // Few sentences in a wide space, nothing shared but in sample it fits.
        let wide = |seed| samples::gaussian(40, 500, seed);
        let (fit, test) = halves(40, 1);
        let found = procrustes(wide(1).view(), wide(2).view(), &fit, &test, 256).unwrap();
        assert!(found.distance < 0.6 && found.after.recall < 0.2, "{found:?}");
    }

    #[test]
    fn bad_input_is_refused_with_a_sentence() {
        let x = samples::gaussian(8, 3, 1);
        let why = |y: &Array2<f32>, fit: &[usize], test: &[usize], r| {
            procrustes(x.view(), y.view(), fit, test, r).unwrap_err().to_string()
        };
        assert!(why(&samples::gaussian(8, 4, 1), &[0, 1], &[2, 3], 9).contains("widths 3 and 4"));
        assert!(why(&x, &[0], &[2, 3], 9).contains("1 sentences to fit on and 2 to test on"));
        assert!(why(&x, &[0, 1], &[2, 8], 9).contains("sentence 9 is asked for, there are 8"));
        assert!(why(&x, &[0, 1], &[1, 2], 9).contains("sentence 2 is both"));
        assert!(why(&x, &[0, 1], &[2, 3], 0).contains("0 directions"));
        let mut same = x.clone();
        (0..4).for_each(|i| same.row_mut(i).fill(1.0));
        assert!(why(&same, &[0, 1, 2, 3], &[4, 5], 9).contains("same state"));
    }
}
