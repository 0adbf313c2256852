//! Canonical correlations: how much of two sides is the same up to any linear map of each.
//!
//! Centre, decompose `X = U S V'` and the same of Y; the canonical correlations `rho` are the singular values of `U_x' U_y`.
//!
//! - **mean CCA** = `sum rho / min(k_x, k_y)`, over all directions. Needs n > width: with n <= width every `rho` is 1.
//! - **SVCCA** (Raghu et al. 2017, arXiv 1706.05806) = the same over the leading directions. The rule here: as many as it takes to hold the
//!   share `variance` of the sum of **squared** singular values of the centred states, or a fixed number. Others differ: xsim's
//!   `anatome.py` sums singular values, not squares, of states that were **not centred**; its `google.py` keeps 20; platonic-rep
//!   standardises each coordinate and keeps 10.
//! - **PWCCA** (Morcos, Raghu and Bengio 2018, arXiv 1806.05759) = `sum a_i rho_i / sum a_i` with `a_i = sum_j |<h_i, x_j>|`, where `h_i` is
//!   the canonical variate of the first side and `x_j` its coordinates, centred. Not symmetric. xsim weighs by `sum over sentences
//!   |X a_i|` with X not centred, which is another number.
//!
//! Two sides of `k_x` and `k_y` directions among n sentences have at least `k_x + k_y - (n - 1)` correlations of exactly 1, whatever the
//! sentences say. Use n >= 10 k, and read the value beside that of shuffled sentences. With two or more such ones PWCCA is **not determined**:
//! any rotation of their variates is as good, and gives other weights. Two linear algebra libraries then give two values (0.8899 and 0.8877
//! on the same 60 x 48 states), so none is given here.

use faer::{Mat, MatRef};
use ndarray::ArrayView2;

use super::algebra::{Centred, ROUNDING, Svd, check, product, refuse, rows_f64, singular_values};
use crate::Result;

/// Which directions of a side are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keep {
    /// All: mean CCA and PWCCA as defined. Refused where there are not more sentences than coordinates.
    All,
    /// As many as hold this share of the variance, 0 to 1.
    Variance(f64),
    /// So many.
    Directions(usize),
}

/// The canonical correlations of two sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Cca {
    /// From the largest to the smallest, 0 to 1. `[min(kept)]`.
    pub correlations: Vec<f64>,
    /// How many directions each side kept.
    pub kept: (usize, usize),
    /// The mean of the correlations: mean CCA, or SVCCA where directions were left out.
    pub mean: f64,
    /// PWCCA with the weights of the first side; `None` where it is not determined, see the head of the file.
    pub weighted: Option<f64>,
    /// PWCCA with the weights of the second side.
    pub weighted_back: Option<f64>,
}

/// CCA, SVCCA and PWCCA of two sides. With [`Keep::All`] invariant to any invertible linear map and shift of a side; with fewer directions
/// to rotation, to one scale for all and to a shift.
///
/// # Shapes
/// `x` `[n, d1]`, `y` `[n, d2]`, n >= 4.
///
/// # Errors
/// As [`super::cka`]; [`Keep::All`] with n <= width; a share that is not above 0 and at most 1; no direction.
///
/// ```
/// use babelscope_probes::similarity::{Keep, cca};
/// use ndarray::{Array2, array};
/// let x = Array2::from_shape_fn((9, 2), |(i, j)| if j == 0 { i as f32 } else { (i * i % 7) as f32 });
/// let found = cca(x.view(), x.dot(&array![[1f32, 2.], [0., 3.]]).view(), Keep::All)?; // the same up to a linear map
/// assert!((found.mean - 1.0).abs() < 1e-6 && found.kept == (2, 2));
/// let refused = cca(x.view(), Array2::ones((9, 9)).view(), Keep::All).unwrap_err();
/// assert!(refused.to_string().contains("more sentences than coordinates"));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn cca(x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>, keep: Keep) -> Result<Cca> {
    check("cca", x, y)?;
    Directions::new("cca", x, keep)?.cca(&Directions::new("cca", y, keep)?, None)
}

/// One side: orthonormal directions of its sentences.
pub(super) struct Directions {
    measure: &'static str,
    /// `[n, k]`.
    u: Mat<f64>,
    /// `<u_i, x_j>`, that is `S V'`. `[k, width]`.
    loadings: Mat<f64>,
}

impl Directions {
    /// # Errors
    /// As [`cca`].
    pub(super) fn new(measure: &'static str, x: ArrayView2<'_, f32>, keep: Keep) -> Result<Self> {
        let (n, width) = x.dim();
        match keep {
            Keep::All if n <= width => {
                let why = format!(
                    "CCA needs more sentences than coordinates, got {n} sentences of width {width}: every correlation would be 1; \
                     use SVCCA, which keeps fewer directions, or CKA"
                );
                return refuse(measure, why);
            }
            Keep::Variance(share) if !(share > 0.0 && share <= 1.0) => {
                return refuse(
                    measure,
                    format!("the share of variance to keep lies above 0 and up to 1, got {share}; use 0.99"),
                );
            }
            Keep::Directions(0) => return refuse(measure, "0 directions to keep; use 20"),
            _ => {}
        }
        let centred = Centred::new(measure, x)?;
        let all: Vec<usize> = (0..n).collect();
        let svd = Svd::new(measure, rows_f64(centred.rows.view(), &vec![0.0; width], &all).as_ref())?;
        let k = kept(&svd, keep);
        let u = svd.u.get(.., ..k).to_owned();
        let loadings = Mat::from_fn(k, width, |i, j| svd.s[i] * svd.v[(j, i)]);
        Ok(Self { measure, u, loadings })
    }

    pub(super) fn kept(&self) -> usize {
        self.u.ncols()
    }

    /// Products that a draw of the null takes, roughly.
    pub(super) fn cost(&self, other: &Self, weighted: bool) -> f64 {
        let (n, k) = (self.u.nrows() as f64, self.kept().max(other.kept()) as f64);
        let width = self.loadings.ncols().max(other.loadings.ncols()) as f64;
        2.0 * n * k * k + if weighted { 20.0 * k.powi(3) + 4.0 * k * k * width } else { 4.0 * k.powi(3) }
    }

    /// `U_x' U_y`, where sentence i here is paired with sentence `draw[i]` there. `[k_x, k_y]`.
    fn crossed(&self, other: &Self, draw: Option<&[u32]>) -> Mat<f64> {
        let there = draw.map(|draw| Mat::from_fn(other.u.nrows(), other.kept(), |i, j| other.u[(draw[i] as usize, j)]));
        product(self.u.transpose(), there.as_ref().unwrap_or(&other.u).as_ref())
    }

    /// The mean of the correlations alone, which needs no directions: a fifth of the work of [`Directions::cca`].
    ///
    /// # Errors
    /// As there.
    pub(super) fn mean(&self, other: &Self, draw: Option<&[u32]>) -> Result<f64> {
        let correlations = singular_values(self.measure, self.crossed(other, draw).as_ref())?;
        Ok(correlations.iter().map(|rho| rho.clamp(0.0, 1.0)).sum::<f64>() / correlations.len() as f64)
    }

    /// The correlations where sentence i here is paired with sentence `draw[i]` there.
    ///
    /// # Errors
    /// The decomposition does not converge.
    pub(super) fn cca(&self, other: &Self, draw: Option<&[u32]>) -> Result<Cca> {
        let svd = Svd::new(self.measure, self.crossed(other, draw).as_ref())?;
        let correlations: Vec<f64> = svd.s.iter().map(|rho| rho.clamp(0.0, 1.0)).collect();
        let certain = (self.kept() + other.kept()).saturating_sub(self.u.nrows() - 1);
        let determined = certain < 2 || correlations.iter().all(|rho| *rho > 1.0 - ROUNDING);
        let weigh = |directions: MatRef<'_, f64>, loadings: MatRef<'_, f64>| {
            let projections = product(directions.transpose(), loadings); // [k, width]
            let weights: Vec<f64> =
                (0..projections.nrows()).map(|i| projections.row(i).iter().map(|v| v.abs()).sum()).collect();
            let sum: f64 = weights.iter().zip(&correlations).map(|(a, rho)| a * rho).sum();
            determined.then(|| sum / weights.iter().sum::<f64>())
        };
        Ok(Cca {
            kept: (self.kept(), other.kept()),
            mean: correlations.iter().sum::<f64>() / correlations.len() as f64,
            weighted: weigh(svd.u.as_ref(), self.loadings.as_ref()),
            weighted_back: weigh(svd.v.as_ref(), other.loadings.as_ref()),
            correlations,
        })
    }
}

fn kept(svd: &Svd, keep: Keep) -> usize {
    let rank = svd.rank();
    let wanted = match keep {
        Keep::All => rank,
        Keep::Directions(k) => k,
        Keep::Variance(share) => {
            let total: f64 = svd.s.iter().map(|s| s * s).sum();
            let mut held = 0.0;
            // Up to rounding, so that a share of 1 does not ask for more than all.
            let enough = |s: &f64| {
                let before = held;
                held += s * s;
                before < (share - 1e-12) * total
            };
            svd.s.iter().copied().filter(enough).count()
        }
    };
    wanted.clamp(1, rank.max(1))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};

    use super::{super::algebra::samples, Keep, cca};
    use crate::null::Permutations;

    fn sides(n: usize, width: usize) -> (Array2<f32>, Array2<f32>) {
        let x = samples::gaussian(n, width, 1);
        let y = &x + &samples::gaussian(n, width, 2);
        (x, y)
    }

    #[test]
    fn a_linear_map_of_a_side_changes_nothing() {
        let (x, y) = sides(80, 6);
        let found = cca(x.view(), y.view(), Keep::All).unwrap();
        let map = samples::gaussian(6, 6, 3);
        let mapped = cca(x.view(), (y.dot(&map) + 3.0).view(), Keep::All).unwrap();
        assert!(
            (found.mean - mapped.mean).abs() < 1e-4
                && (found.weighted.unwrap() - mapped.weighted.unwrap()).abs() < 1e-4
        );
        assert!((cca(x.view(), x.dot(&map).view(), Keep::All).unwrap().mean - 1.0).abs() < 1e-5);
        // PWCCA with the other side's weights does change: they come from its coordinates.
        assert!((found.weighted_back.unwrap() - mapped.weighted_back.unwrap()).abs() > 1e-4);
    }

    #[test]
    fn sides_exchanged_exchange_the_weights() {
        let (x, y) = sides(50, 5);
        let (a, b) = (cca(x.view(), y.view(), Keep::All).unwrap(), cca(y.view(), x.view(), Keep::All).unwrap());
        assert!((a.mean - b.mean).abs() < 1e-9 && (a.weighted.unwrap() - b.weighted_back.unwrap()).abs() < 1e-9);
        assert!(
            a.correlations.iter().all(|rho| (0.0..=1.0).contains(rho)) && a.correlations.is_sorted_by(|a, b| a >= b)
        );
    }

    /// One coordinate a side: the canonical correlation is the absolute correlation.
    #[test]
    fn of_one_coordinate_it_is_the_correlation() {
        let (x, y) = sides(40, 1);
        let found = cca(x.view(), (-&y).view(), Keep::All).unwrap();
        let expected = crate::similarity::anc(x.view(), y.view()).unwrap().value;
        assert!((found.mean - expected).abs() < 1e-6 && (found.weighted.unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn variance_is_of_squared_singular_values_of_centred_states() {
        // Standard deviations 10, 1, 0.1 by coordinate: shares .990, .0099, .0001.
        let mut x = samples::gaussian(4000, 3, 1);
        for (scale, mut column) in [10f32, 1., 0.1].into_iter().zip(x.axis_iter_mut(Axis(1))) {
            column.mapv_inplace(|v| v * scale + 500.0);
        }
        let kept = |share| cca(x.view(), x.view(), Keep::Variance(share)).unwrap().kept.0;
        assert_eq!([0.5, 0.95, 0.995, 1.0].map(kept), [1, 1, 2, 3]);
        assert_eq!(cca(x.view(), x.view(), Keep::Directions(2)).unwrap().kept, (2, 2));
        assert_eq!(cca(x.view(), x.view(), Keep::Directions(9)).unwrap().kept, (3, 3));
    }

    #[test]
    fn correlations_of_one_are_forced_by_counting() {
        // 12 + 12 directions among 20 sentences: at least 5 of them are 1 though nothing is shared.
        let found = cca(samples::gaussian(20, 12, 1).view(), samples::gaussian(20, 12, 2).view(), Keep::All).unwrap();
        assert!(found.correlations.iter().filter(|rho| **rho > 1.0 - 1e-6).count() >= 5);
        assert_eq!((found.weighted, found.weighted_back), (None, None));
        let x = samples::gaussian(20, 12, 1);
        let itself = cca(x.view(), x.view(), Keep::All).unwrap();
        assert!((itself.weighted.unwrap() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_shuffled_side_is_the_shuffled_states() {
        let (x, y) = sides(30, 4);
        let draws = Permutations::new(30, 19, 1).unwrap();
        let of = |x: &Array2<f32>| super::Directions::new("cca", x.view(), Keep::All).unwrap();
        for draw in (0..19).map(|d| draws.draw(d)) {
            let got = of(&x).cca(&of(&y), Some(draw)).unwrap();
            let expected = cca(x.view(), samples::shuffled(y.view(), draw).view(), Keep::All).unwrap();
            assert!(
                (got.mean - expected.mean).abs() < 1e-6
                    && (got.weighted.unwrap() - expected.weighted.unwrap()).abs() < 1e-6
            );
        }
    }

    #[test]
    fn bad_input_is_refused_with_a_sentence() {
        let x = samples::gaussian(8, 8, 1);
        let why = |keep| cca(x.view(), x.view(), keep).unwrap_err().to_string();
        assert!(why(Keep::All).contains("got 8 sentences of width 8: every correlation would be 1"));
        assert!(why(Keep::Variance(0.0)).contains("got 0; use 0.99"));
        assert!(why(Keep::Directions(0)).contains("0 directions"));
    }
}
