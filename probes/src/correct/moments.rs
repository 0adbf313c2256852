//! Second moments of the languages, read one after the other.

use faer::Mat;
use ndarray::{Array1, Array2, Axis, Slice};

use super::{Languages, ROUNDING, refuse};
use crate::{
    Result,
    spectrum::{add_scatter, array, eigen, mat, product},
};

/// An eigenvalue below this share of the largest is rounding.
const FLAT: f64 = 1e-12;

/// The mean and the first principal components of each language: `[languages, width]`, then `[top, width]` each. A language that varies in
/// fewer dimensions has fewer.
pub(super) fn components(read: &Languages<'_>, top: usize) -> Result<(Array2<f64>, Vec<Array2<f64>>)> {
    let (n, width) = (read.source.sentences(), read.width);
    let meant = if top == 0 { (width / 100).max(1) } else { top };
    if meant >= width {
        return refuse(format!(
            "removing {meant} principal components would leave nothing of states of width {width}; set `top` below {width}"
        ));
    }
    if meant + 1 >= n {
        return refuse(format!(
            "{n} sentences vary around their mean in at most {} directions, so removing {meant} principal components would leave \
             nothing; set `top` lower or take more sentences",
            n - 1
        ));
    }
    let mut means = Array2::zeros((read.count(), width));
    let mut bases = Vec::with_capacity(read.count());
    for (language, mut row) in means.outer_iter_mut().enumerate() {
        let (mean, centred) = read.centred(language)?;
        row.assign(&mean);
        bases.push(principal(&centred, meant)?);
    }
    Ok((means, bases))
}

/// The first `top` principal components of centred states, as rows, from the smaller of the Gram matrix and the scatter.
fn principal(centred: &Array2<f64>, top: usize) -> Result<Array2<f64>> {
    let (n, width) = centred.dim();
    let by_sentence = n < width;
    let square = if by_sentence { product(centred.view(), centred.t()) } else { product(centred.t(), centred.view()) };
    let (values, vectors) = eigen(mat(square.view()).as_ref(), "correct")?;
    let kept = values.iter().take(top).take_while(|v| **v > 0.0 && **v > FLAT * values[0]).count();
    let first = vectors.slice_axis(Axis(0), Slice::from(..kept));
    if !by_sentence {
        return Ok(first.to_owned());
    }
    let mut basis = product(first, centred.view());
    for (mut row, value) in basis.outer_iter_mut().zip(&values) {
        row /= value.sqrt();
    }
    Ok(basis)
}

/// The mean of all languages and one over the standard deviation of each dimension; 0 for a dimension that does not vary.
pub(super) fn scales(read: &Languages<'_>) -> Result<(Array1<f64>, Array1<f64>)> {
    let (k, n) = (read.count() as f64, read.source.sentences() as f64);
    let mut means = Array2::zeros((read.count(), read.width));
    let mut within = Array1::<f64>::zeros(read.width);
    for (language, mut row) in means.outer_iter_mut().enumerate() {
        let (mean, centred) = read.centred(language)?;
        row.assign(&mean);
        centred.outer_iter().for_each(|x| within.iter_mut().zip(x).for_each(|(w, x)| *w += x * x));
    }
    let mean = means.sum_axis(Axis(0)) / k;
    let between =
        means.outer_iter().fold(Array1::<f64>::zeros(read.width), |sum, m| sum + (&m - &mean).mapv(|x| x * x));
    let deviation = ((within / n + between) / k).mapv(f64::sqrt);
    let scale = deviation.iter().zip(&mean).map(|(s, m)| if *s > ROUNDING * m.abs() { s.recip() } else { 0.0 });
    let scale = scale.collect();
    Ok((mean, scale))
}

/// The mean of each language and the inverse root of the pooled covariance within them.
///
/// Ledoit and Wolf 2004, *A well-conditioned estimator for large-dimensional covariance matrices*: with the N centred states `x_i` of all
/// languages, `S = X^T X / N` and `mu = tr S / d`, the covariance is `(1 - r) S + r mu I` with
/// `r = min(1, (mean |x_i|^4 - |S|^2) / (N (|S|^2 - d mu^2)))`. That takes the states for independent, which translations are not, so r is
/// a little small for parallel text.
pub(super) fn whitening(read: &Languages<'_>) -> Result<(Array2<f64>, Array2<f64>)> {
    let count = (read.count() * read.source.sentences()) as f64;
    let mut means = Array2::zeros((read.count(), read.width));
    let mut scatter = Mat::zeros(read.width, read.width);
    let mut fourth = 0.0;
    for (language, mut row) in means.outer_iter_mut().enumerate() {
        let (mean, centred) = read.centred(language)?;
        row.assign(&mean);
        fourth += centred.outer_iter().map(|x| x.dot(&x).powi(2)).sum::<f64>();
        add_scatter(&mut scatter, centred.view());
    }
    let covariance = array(scatter.as_ref()) / count;
    let r = shrinkage(&covariance, fourth / count, count);
    let level = covariance.diag().sum() / read.width as f64;
    let size = means.iter().map(|x| x * x).sum::<f64>() / means.len() as f64;
    if level <= ROUNDING * ROUNDING * size {
        return refuse(format!(
            "no language varies at layer {}: every sentence has the same state, so there is no covariance to whiten by; take another \
             layer or another pooling",
            read.source.layers()[read.layer]
        ));
    }
    let (values, vectors) = eigen(mat(covariance.view()).as_ref(), "correct")?;
    let shrunk = values.mapv(|v| (1.0 - r) * v.max(0.0) + r * level);
    let inverse = shrunk.mapv(|v| if v > FLAT * shrunk[0] { v.sqrt().recip() } else { 0.0 });
    let scaled = &vectors * &inverse.insert_axis(Axis(1));
    Ok((means, product(vectors.t(), scaled.view())))
}

/// Ledoit and Wolf's r, from the covariance, the mean of the fourth powers of the norms, and the number of states.
pub(super) fn shrinkage(covariance: &Array2<f64>, fourth: f64, count: f64) -> f64 {
    let width = covariance.nrows() as f64;
    let square: f64 = covariance.iter().map(|x| x * x).sum();
    let level = covariance.diag().sum() / width;
    let far = square - width * level * level;
    let noise = (fourth - square) / count;
    // Nothing to shrink: the covariance is a multiple of the unit matrix already.
    if far <= 0.0 { 0.0 } else { (noise / far).clamp(0.0, 1.0) }
}
