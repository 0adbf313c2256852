//! What is done to states before a similarity is taken of them.
//!
//! With the states `x` of language k, its mean `m_k` and the mean of all languages `g`, at one layer:
//!
//! - **raw**: `x`;
//! - **language**: `x - m_k`;
//! - **global**: `x - g`, which removes the common cone;
//! - **top**: `x - m_k` without its projection on the first D principal components of language k (all-but-the-top; Mu and Viswanath
//!   2018, arXiv 1702.01417, who take D about width / 100);
//! - **subspace**: `x - g` without its projection on the span of the `m_k - g` (LSAR; Xie et al. 2022, arXiv 2401.05792);
//! - **standardised**: `(x - g) / s`, with the standard deviation s of each dimension over all languages (Timkey and van Schijndel 2021);
//! - **whitened**: `S^(-1/2) (x - m_k)`, with the covariance S within the languages, pooled and shrunk (Ledoit and Wolf 2004).
//!
//! Decided here:
//! - Components are those of each language, not of all together: a common direction of all languages is the first of each.
//! - A language whose mean differs from the others by no more than the rounding of f32 adds no direction to the subspace.
//! - What is left of a state is zero where it is below a millionth of the state: rounding must not become a direction.
//! - Statistics are in f64. Languages are read one after the other, so that one at a time has to be in memory.

mod moments;
#[cfg(test)]
mod tests;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    align::Centring,
    source::{StateSource, finite},
    spectrum::product,
    subspace::of_states,
};

/// Below this share of the state's own norm, what a correction leaves is the rounding of f32.
pub(crate) const ROUNDING: f64 = 1e-6;

/// What the corrections with a free number use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How many principal components `top` removes; 0: width / 100, at least 1.
    pub top: usize,
    /// How many dimensions `subspace` removes; 0: all that the languages span, one less than there are languages.
    pub rank: usize,
}

/// One correction with what it has learned of the languages at one layer.
///
/// ```
/// use babelscope_probes::{align::{Centring, LanguageStates}, correct::{Corrector, Options}};
/// use ndarray::{Axis, array};
///
/// let english = array![[1f32, 0., 5.], [0., 1., 5.], [2., 2., 5.], [1., 1., 5.]];
/// let german = array![[1f32, 0., 9.], [0., 1., 9.], [2., 2., 9.], [1., 1., 9.]];
/// let states = LanguageStates::new(
///     vec!["eng_Latn".into(), "deu_Latn".into()],
///     vec![0],
///     vec![vec![english], vec![german.clone()]],
/// )?;
/// let corrector = Corrector::fit(&states, 0, Centring::Subspace, &Options::default())?;
/// let left = corrector.apply(1, german.view());
/// assert!(left.column(2).iter().all(|x| x.abs() < 1e-6)); // the third dimension told the languages apart
/// assert_eq!(left[[0, 0]], 0.0); // 1 minus the mean of all
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Corrector {
    /// What is subtracted: nothing, one row for all languages, or one for each. `[0, 1 or languages, width]`.
    means: Array2<f64>,
    then: Then,
}

/// What is done after a mean was subtracted.
#[derive(Clone, Debug)]
enum Then {
    Nothing,
    /// Removed is the span of these rows, which are orthonormal: one set for all languages, or one for each.
    Remove(Vec<Array2<f64>>),
    /// Each dimension is multiplied.
    Scale(Array1<f64>),
    /// The state is multiplied by this symmetric matrix.
    Multiply(Array2<f64>),
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "correct", why })
}

impl Corrector {
    /// Learns the correction from every language of `source` at a layer, given by its place in [`StateSource::layers`].
    ///
    /// # Errors
    /// States that cannot be read or are not finite; languages of another width or length; a single language for `subspace`; fewer than 4
    /// sentences for anything beyond a mean; more components or dimensions than there are; nothing that varies, for `whitened`.
    pub fn fit(source: &dyn StateSource, layer: usize, centring: Centring, options: &Options) -> Result<Self> {
        let read = Languages::new(source, layer, centring)?;
        let (means, then) = match centring {
            Centring::Raw => (Array2::zeros((0, read.width)), Then::Nothing),
            Centring::Language => (read.means()?.0, Then::Nothing),
            Centring::Global => (over_all(&read.means()?.0), Then::Nothing),
            Centring::Top => {
                let (means, bases) = moments::components(&read, options.top)?;
                (means, Then::Remove(bases))
            }
            Centring::Subspace => {
                let (means, size) = read.means()?;
                let subspace = of_states(means.view(), options.rank, size)?;
                (over_all(&means), Then::Remove(vec![subspace.directions]))
            }
            Centring::Standardised => {
                let (mean, scale) = moments::scales(&read)?;
                (mean.insert_axis(Axis(0)), Then::Scale(scale))
            }
            Centring::Whitened => {
                let (means, root) = moments::whitening(&read)?;
                (means, Then::Multiply(root))
            }
        };
        Ok(Self { means, then })
    }

    /// The corrected states of a language, given by its place in [`StateSource::languages`]. The states need not be those that were
    /// learned from.
    ///
    /// # Shapes
    /// `[n, width]` to `[n, width]`.
    pub fn apply(&self, language: usize, state: ArrayView2<'_, f32>) -> Array2<f32> {
        if self.means.is_empty() {
            return state.to_owned();
        }
        let mut left = centred(state, self.means.row(if self.means.nrows() == 1 { 0 } else { language }));
        still(&mut left, state);
        let left = match &self.then {
            Then::Nothing => left,
            Then::Remove(bases) => {
                let basis = &bases[if bases.len() == 1 { 0 } else { language }];
                left -= &left.dot(&basis.t()).dot(basis);
                still(&mut left, state);
                left
            }
            Then::Scale(scale) => left * scale,
            Then::Multiply(root) => product(left.view(), root.view()),
        };
        left.mapv(|x| x as f32)
    }
}

/// The languages of a source at one layer, checked as they are read.
struct Languages<'a> {
    source: &'a dyn StateSource,
    layer: usize,
    width: usize,
}

impl<'a> Languages<'a> {
    fn new(source: &'a dyn StateSource, layer: usize, centring: Centring) -> Result<Self> {
        let (k, n) = (source.languages().len(), source.sentences());
        if k == 0 || layer >= source.layers().len() {
            return refuse(format!("expected a language and a layer, got {k} languages and layer number {layer}"));
        }
        let least = match centring {
            Centring::Raw | Centring::Language | Centring::Global => 1,
            Centring::Top | Centring::Subspace | Centring::Standardised | Centring::Whitened => 4,
        };
        if n < least {
            let name = centring.name();
            return refuse(format!(
                "`{name}` needs at least {least} sentences, got {n}: take more, or centre by `language`"
            ));
        }
        let width = source.state(0, layer)?.ncols();
        Ok(Self { source, layer, width })
    }

    /// The states of a language, in f64 around their mean, and the mean.
    fn centred(&self, language: usize) -> Result<(Array1<f64>, Array2<f64>)> {
        let state = finite(self.source, language, self.layer, "correct")?;
        let (name, shape) = (&self.source.languages()[language], (self.source.sentences(), self.width));
        if state.dim() != shape {
            return refuse(format!(
                "the states of {name} at layer {} have the shape {:?}, expected {shape:?}: all languages need the same sentences and \
                 the same width",
                self.source.layers()[self.layer],
                state.dim(),
            ));
        }
        let mean = mean(state.view());
        let centred = centred(state.view(), mean.view());
        Ok((mean, centred))
    }

    /// The means, `[languages, width]`, and the norm of a state (root mean square).
    fn means(&self) -> Result<(Array2<f64>, f64)> {
        let mut means = Array2::zeros((self.count(), self.width));
        let mut squares = 0.0;
        for (language, mut row) in means.outer_iter_mut().enumerate() {
            let (mean, centred) = self.centred(language)?;
            squares += mean.dot(&mean) + centred.iter().map(|x| x * x).sum::<f64>() / centred.nrows() as f64;
            row.assign(&mean);
        }
        Ok((means, (squares / self.count() as f64).sqrt()))
    }

    fn count(&self) -> usize {
        self.source.languages().len()
    }
}

/// The mean of the rows, `[width]`; around the first row, so that the mean of equal rows is that row.
pub(crate) fn mean(state: ArrayView2<'_, f32>) -> Array1<f64> {
    let first = state.row(0).mapv(f64::from);
    let mut sum = Array1::<f64>::zeros(state.ncols());
    for row in state.outer_iter() {
        sum.iter_mut().zip(row).zip(&first).for_each(|((s, x), f)| *s += f64::from(*x) - f);
    }
    first + sum / state.nrows() as f64
}

fn centred(state: ArrayView2<'_, f32>, mean: ArrayView1<'_, f64>) -> Array2<f64> {
    let mut left = state.mapv(f64::from);
    left -= &mean;
    left
}

fn over_all(means: &Array2<f64>) -> Array2<f64> {
    means.sum_axis(Axis(0)).insert_axis(Axis(0)) / means.nrows() as f64
}

/// Makes zero what is nothing but rounding of the state that it was.
fn still(left: &mut Array2<f64>, state: ArrayView2<'_, f32>) {
    for (mut row, state) in left.outer_iter_mut().zip(state.outer_iter()) {
        let norm: f64 = state.iter().map(|x| f64::from(*x).powi(2)).sum();
        if row.iter().map(|x| x * x).sum::<f64>() <= ROUNDING * ROUNDING * norm {
            row.fill(0.0);
        }
    }
}
