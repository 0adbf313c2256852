//! Correlations of two columns, plain and with others held fixed.

/// A column whose values differ by less than this share of their size is constant but for rounding.
const FLAT: f64 = 1e-12;
/// What least squares leaves of a column, below this share of it, is rounding.
const NOTHING: f64 = 1e-9;

/// Pearson's correlation; `None` with fewer than two rows or where a column is constant.
///
/// ```
/// use babelscope_probes::relate::pearson;
/// assert_eq!(pearson(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), Some(1.0));
/// assert_eq!(pearson(&[1.0, 2.0, 3.0], &[5.0, 5.0, 5.0]), None);
/// ```
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = (centred(x)?, centred(y)?);
    // One root: columns in perfect order then give exactly 1.
    Some((dot(&x, &y) / (dot(&x, &x) * dot(&y, &y)).sqrt()).clamp(-1.0, 1.0))
}

/// Spearman's: Pearson's of the mid-ranks.
///
/// ```
/// use babelscope_probes::relate::spearman;
/// assert_eq!(spearman(&[1.0, 2.0, 9.0], &[0.1, 0.2, 0.3]), Some(1.0));
/// ```
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x), &ranks(y))
}

/// Kendall's tau-b: `(concordant - discordant) / sqrt(pairs untied in x * pairs untied in y)`.
///
/// ```
/// use babelscope_probes::relate::kendall;
/// // Of three pairs two agree and one does not.
/// assert_eq!(kendall(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]), Some(1.0 / 3.0));
/// ```
pub fn kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mut sum, mut untied_x, mut untied_y) = (0i64, 0i64, 0i64);
    let sign = |a: f64, b: f64| i64::from(a > b) - i64::from(a < b);
    for i in 0..x.len() {
        for j in 0..i {
            let (a, b) = (sign(x[i], x[j]), sign(y[i], y[j]));
            sum += a * b;
            untied_x += a.abs();
            untied_y += b.abs();
        }
    }
    let pairs = (untied_x as f64 * untied_y as f64).sqrt();
    (pairs > 0.0).then(|| (sum as f64 / pairs).clamp(-1.0, 1.0))
}

/// Pearson's correlation with the covariates held fixed: that of the residuals of x and y after least squares with an intercept.
/// `None` where a covariate is constant or a combination of the others, or where nothing is left of x or y.
///
/// ```
/// use babelscope_probes::relate::{partial, pearson};
/// let (x, y, z) = ([1.0, 2.0, 4.0, 3.0, 6.0], [2.0, 1.0, 4.0, 5.0, 5.0], [1.0, 3.0, 2.0, 5.0, 4.0]);
/// let r = |a, b| pearson(a, b).unwrap_or(f64::NAN);
/// let (xy, xz, yz) = (r(&x, &y), r(&x, &z), r(&y, &z));
/// let recursive = (xy - xz * yz) / ((1.0 - xz * xz) * (1.0 - yz * yz)).sqrt();
/// assert!(partial(&x, &y, &[z.to_vec()]).is_some_and(|p| (p - recursive).abs() < 1e-12));
/// ```
pub fn partial(x: &[f64], y: &[f64], covariates: &[Vec<f64>]) -> Option<f64> {
    let basis = basis(covariates)?;
    pearson(&residual(x, &basis)?, &residual(y, &basis)?)
}

/// Ranks from 1, equal values all with the mean of the ranks that they take.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let equal = order[start..].iter().take_while(|at| values[**at] == values[order[start]]).count();
        for at in &order[start..start + equal] {
            ranks[*at] = start as f64 + (equal as f64 + 1.0) / 2.0;
        }
        start += equal;
    }
    ranks
}

/// Whether a column has one value alone, up to rounding.
pub(super) fn constant(values: &[f64]) -> bool {
    centred(values).is_none()
}

/// Orthonormal columns that span the centred covariates (Gram-Schmidt, each step twice); `None` where one adds nothing.
pub(super) fn basis(covariates: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(covariates.len());
    for covariate in covariates {
        let left = residual(covariate, &basis)?;
        let norm = norm(&left);
        basis.push(left.into_iter().map(|v| v / norm).collect());
    }
    Some(basis)
}

/// What the intercept and an orthonormal basis leave of a column; `None` where that is nothing.
pub(super) fn residual(values: &[f64], basis: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut left = centred(values)?;
    let whole = norm(&left);
    for _ in 0..2 {
        for direction in basis {
            let along = dot(&left, direction);
            left.iter_mut().zip(direction).for_each(|(v, d)| *v -= along * d);
        }
    }
    (norm(&left) > NOTHING * whole).then_some(left)
}

/// Fisher's 95 % interval of a Pearson correlation of n rows: `tanh(atanh r -+ 1.96 / sqrt(n - 3))`; `None` with n of 3 or fewer.
pub(super) fn fisher(r: f64, n: usize) -> Option<(f64, f64)> {
    // 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    let half = Z / (n.checked_sub(3).filter(|left| *left > 0)? as f64).sqrt();
    // At r of 1 or -1 the z is infinite, and the interval is the point.
    Some(if r.abs() < 1.0 { ((r.atanh() - half).tanh(), (r.atanh() + half).tanh()) } else { (r, r) })
}

/// A column minus its mean, its largest value scaled to 1 so that no square is lost; `None` where nothing is left.
fn centred(values: &[f64]) -> Option<Vec<f64>> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let largest = |values: &[f64]| values.iter().fold(0f64, |most, v| most.max(v.abs()));
    let left: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let most = largest(&left);
    (most > FLAT * largest(values)).then(|| left.into_iter().map(|v| v / most).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{fisher, kendall, partial, pearson, ranks, spearman};

    // scipy 1.17.1: pearsonr, spearmanr, kendalltau, rankdata of these columns; partial values are pearsonr of residuals of
    // numpy.linalg.lstsq with an intercept, of rankdata for the last.
    const X: [f64; 8] = [0.12, 0.55, 0.31, 0.78, 0.31, 0.90, 0.44, 0.05];
    const Y: [f64; 8] = [31.0, 52.5, 40.2, 61.7, 47.0, 58.8, 40.2, 29.5];
    const Z: [f64; 8] = [5.0, 1.0, 4.0, 2.0, 3.0, 0.0, 3.0, 5.0];
    const W: [f64; 8] = [0.0, 0.69, 0.3, 0.9, 0.1, 1.2, 0.4, 1.5];

    fn near(got: Option<f64>, expected: f64) {
        assert!(got.is_some_and(|got| (got - expected).abs() < 1e-12), "{got:?}, expected {expected}");
    }

    #[test]
    fn values_of_scipy() {
        near(pearson(&X, &Y), 0.9426907624903639);
        near(spearman(&X, &Y), 0.9216867469879517);
        near(kendall(&X, &Y), 0.8148148148148148);
        near(pearson(&X, &Z), -0.9234033770108042);
        near(spearman(&X, &Z), -0.9515326270223115);
        near(kendall(&X, &Z), -0.8680790595108567);
        assert_eq!(ranks(&X), [2.0, 6.0, 3.5, 7.0, 3.5, 8.0, 5.0, 1.0]);
        let (low, high) = fisher(0.9426907624903639, 8).unwrap();
        near(Some(low), 0.7089955144376838);
        near(Some(high), 0.9898305085578613);
        near(partial(&X, &Y, &[Z.to_vec()]), 0.6692779721642315);
        near(partial(&X, &Y, &[Z.to_vec(), W.to_vec()]), 0.6844358879192012);
        near(partial(&ranks(&X), &ranks(&Y), &[ranks(&Z), ranks(&W)]), 0.4772696799902366);
    }

    #[test]
    fn what_is_constant_or_a_combination_has_no_number() {
        let flat = vec![0.1 + 0.2; 8];
        assert_eq!(pearson(&X, &flat), None);
        assert_eq!(kendall(&X, &flat), None);
        assert_eq!(partial(&X, &Y, std::slice::from_ref(&flat)), None);
        let twice: Vec<f64> = Z.iter().map(|z| 2.0 * z + 1.0).collect();
        assert_eq!(partial(&X, &Y, &[Z.to_vec(), twice.clone()]), None);
        assert_eq!(partial(&twice, &Y, &[Z.to_vec()]), None);
        assert_eq!(fisher(0.5, 3), None);
        assert_eq!(fisher(1.0, 8), Some((1.0, 1.0)));
    }

    fn columns(n: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
        prop::collection::vec(prop::collection::vec(-10f64..10.0, n), 4)
    }

    proptest! {
        #[test]
        fn residuals_agree_with_the_recursive_formula(columns in (8usize..20).prop_flat_map(columns)) {
            let [x, y, z, w] = &columns[..] else { return Ok(()) };
            let r = |a: &[f64], b: &[f64]| pearson(a, b).unwrap();
            let one = |ab: f64, ac: f64, bc: f64| (ab - ac * bc) / ((1.0 - ac * ac) * (1.0 - bc * bc)).sqrt();
            let given = |a: &[f64], b: &[f64]| one(r(a, b), r(a, z), r(b, z));
            prop_assume!([x, y, w].iter().all(|v| r(v, z).abs() < 0.99) && given(x, w).abs() < 0.99 && given(y, w).abs() < 0.99);
            prop_assert!((partial(x, y, std::slice::from_ref(z)).unwrap() - given(x, y)).abs() < 1e-9);
            let both = one(given(x, y), given(x, w), given(y, w));
            prop_assert!((partial(x, y, &[z.clone(), w.clone()]).unwrap() - both).abs() < 1e-9);
            // The order of the covariates is nothing.
            prop_assert!((partial(x, y, &[w.clone(), z.clone()]).unwrap() - both).abs() < 1e-9);
        }

        #[test]
        fn correlations_do_not_see_scale_and_turn_with_the_sign(columns in (5usize..20).prop_flat_map(columns)) {
            let (x, y) = (&columns[0], &columns[1]);
            let moved: Vec<f64> = x.iter().map(|v| 3.0 * v - 7.0).collect();
            let turned: Vec<f64> = x.iter().map(|v| -v).collect();
            for of in [pearson as fn(&[f64], &[f64]) -> Option<f64>, spearman, kendall] {
                let value = of(x, y).unwrap();
                prop_assert!((-1.0..=1.0).contains(&value));
                prop_assert!((of(y, x).unwrap() - value).abs() < 1e-12);
                prop_assert!((of(&moved, y).unwrap() - value).abs() < 1e-9);
                prop_assert!((of(&turned, y).unwrap() + value).abs() < 1e-12);
                prop_assert!((of(x, x).unwrap() - 1.0).abs() < 1e-12);
            }
        }
    }
}
