//! Where the pooled states of parallel sentences come from: memory, or a store on disk that is larger than memory.

use ndarray::{CowArray, Ix2};

use crate::{Error, Result};

/// Pooled states of the same sentences in several languages at several layers.
///
/// A measure asks for one language at one layer at a time, so that what does not fit into memory can come from a store. Languages and
/// layers are asked for by their place in [`StateSource::languages`] and [`StateSource::layers`].
pub trait StateSource: Sync {
    /// FLORES codes, each once.
    fn languages(&self) -> &[String];

    /// Canonical layers, ascending.
    fn layers(&self) -> &[usize];

    /// How many sentences each language has.
    fn sentences(&self) -> usize;

    /// The states of a language at a layer.
    ///
    /// # Shapes
    /// `[n, width]`, standard layout; row i is sentence i in every language.
    ///
    /// # Errors
    /// States that cannot be read.
    fn state(&self, language: usize, layer: usize) -> Result<CowArray<'_, f32, Ix2>>;

    /// The token ids of each sentence of a language without BOS, for nulls that are matched by length and shared tokens; `None` where
    /// nobody knows them.
    fn tokens(&self, _language: usize) -> Option<&[Vec<u32>]> {
        None
    }

    /// Whether [`StateSource::state`] gives all languages at once without more memory than they already have.
    fn in_memory(&self) -> bool {
        false
    }
}

/// [`StateSource::state`], refused where a value is not finite.
///
/// # Errors
/// As [`StateSource::state`]; a NaN or an infinity, with its language, layer and sentence.
pub fn finite<'a>(
    source: &'a dyn StateSource,
    language: usize,
    layer: usize,
    measure: &'static str,
) -> Result<CowArray<'a, f32, Ix2>> {
    let state = source.state(language, layer)?;
    let bad = state.outer_iter().position(|row| row.iter().any(|x| !x.is_finite()));
    let Some(sentence) = bad else { return Ok(state) };
    let (language, layer) = (&source.languages()[language], source.layers()[layer]);
    let why = format!(
        "the state of sentence {} of {language} at layer {layer} is not finite (NaN or infinite), so nothing can be measured on it; \
         check the weights of the model and the length of the sentence",
        sentence + 1
    );
    Err(Error::Input { measure, why })
}

/// The place of a language, or a sentence that names those that are there.
///
/// # Errors
/// The language is not among those of `source`.
pub fn place(source: &dyn StateSource, language: &str, measure: &'static str) -> Result<usize> {
    source.languages().iter().position(|l| l == language).ok_or_else(|| {
        let why = format!("{language} is not among the languages: {}", source.languages().join(", "));
        Error::Input { measure, why }
    })
}

/// The places of the pivots; empty means every language.
///
/// # Errors
/// A pivot that is not there, or is named twice.
pub fn pivots(source: &dyn StateSource, named: &[String], measure: &'static str) -> Result<Vec<usize>> {
    if named.is_empty() {
        return Ok((0..source.languages().len()).collect());
    }
    let mut places = Vec::with_capacity(named.len());
    for pivot in named {
        let at = place(source, pivot, measure)?;
        if places.contains(&at) {
            return Err(Error::Input { measure, why: format!("pivot {pivot} is named twice") });
        }
        places.push(at);
    }
    Ok(places)
}
