//! The input of alignment: pooled states of parallel sentences, checked once.

use std::collections::BTreeSet;

use babelscope_core::engine::{Captured, Values};
use babelscope_core::plan::Site;
use ndarray::{Array2, ArrayView2, CowArray, Ix2};

use crate::{Error, Result, source::StateSource};

/// Pooled states of the same sentences in several languages at several layers: finite, parallel, at least two languages and
/// two sentences.
#[derive(Clone, Debug)]
pub struct LanguageStates {
    languages: Vec<String>,
    layers: Vec<usize>,
    /// `[language][layer]`, each `[n, width]` in standard layout.
    states: Vec<Vec<Array2<f32>>>,
    /// `[language][sentence]`, without BOS; empty where nobody knows them.
    tokens: Vec<Vec<Vec<u32>>>,
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "align", why })
}

impl LanguageStates {
    /// Checks and takes `states[language][layer]`.
    ///
    /// # Shapes
    /// Each state `[n, width]`: row i is sentence i in every language; the width may differ between layers, not between languages.
    ///
    /// # Errors
    /// Fewer than two languages or sentences, a language named twice, layers that do not ascend, a shape that does not fit,
    /// a value that is not finite (the message names language, layer and sentence).
    ///
    /// ```
    /// use babelscope_probes::align::LanguageStates;
    /// use ndarray::array;
    /// let one_line = LanguageStates::new(
    ///     vec!["eng_Latn".into(), "fra_Latn".into()],
    ///     vec![3],
    ///     vec![vec![array![[1., 2.]]], vec![array![[2., 1.]]]],
    /// );
    /// assert!(one_line.is_err_and(|e| e.to_string().contains("at least 2 sentences")));
    /// ```
    pub fn new(languages: Vec<String>, layers: Vec<usize>, states: Vec<Vec<Array2<f32>>>) -> Result<Self> {
        if languages.len() < 2 {
            return refuse(format!("at least 2 languages are needed, got {}", languages.len()));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = languages.iter().find(|l| !seen.insert(l.as_str())) {
            return refuse(format!("language {twice} comes twice"));
        }
        if layers.is_empty() || !layers.is_sorted_by(|a, b| a < b) {
            return refuse(format!("expected layers in ascending order, each once, got {layers:?}"));
        }
        if states.len() != languages.len() {
            return refuse(format!("{} languages but states of {}", languages.len(), states.len()));
        }
        let rows = |of: &[Array2<f32>]| of.first().map_or(0, Array2::nrows);
        let n = states.first().map_or(0, |s| rows(s));
        for (language, of) in languages.iter().zip(&states) {
            if of.len() != layers.len() {
                return refuse(format!("{language} has states at {} layers, expected {}", of.len(), layers.len()));
            }
            for ((layer, state), pivot) in layers.iter().zip(of).zip(&states[0]) {
                if state.nrows() != n {
                    return refuse(format!(
                        "{language} has {} sentences at layer {layer}, {} has {n}; line i must mean the same in every \
                         language, so nothing is cut",
                        state.nrows(),
                        languages[0],
                    ));
                }
                if state.ncols() != pivot.ncols() {
                    return refuse(format!(
                        "{language} has width {} at layer {layer}, {} has {}",
                        state.ncols(),
                        languages[0],
                        pivot.ncols(),
                    ));
                }
                let bad = state.outer_iter().position(|row| row.iter().any(|x| !x.is_finite()));
                if let Some(sentence) = bad {
                    return refuse(format!(
                        "the state of sentence {} of {language} at layer {layer} is not finite (NaN or infinite), so its \
                         cosine means nothing; check the weights of the model and the length of the sentence",
                        sentence + 1,
                    ));
                }
            }
        }
        if n < 2 {
            return refuse(format!("at least 2 sentences are needed, got {n}: a single one has no rival"));
        }
        let standard = |s: Array2<f32>| if s.is_standard_layout() { s } else { s.as_standard_layout().into_owned() };
        let states = states.into_iter().map(|of| of.into_iter().map(standard).collect()).collect();
        Ok(Self { languages, layers, states, tokens: Vec::new() })
    }

    /// The same with the token ids of each sentence, `tokens[language][sentence]`, without BOS.
    ///
    /// # Errors
    /// Another number of languages or sentences than the states have.
    pub fn with_tokens(mut self, tokens: Vec<Vec<Vec<u32>>>) -> Result<Self> {
        let n = self.sentences();
        if tokens.len() != self.languages.len() || tokens.iter().any(|of| of.len() != n) {
            let found: Vec<usize> = tokens.iter().map(Vec::len).collect();
            return refuse(format!(
                "expected the tokens of {n} sentences in {} languages, got those of {found:?}",
                self.languages.len()
            ));
        }
        self.tokens = tokens;
        Ok(self)
    }

    /// Takes what the engine captured of each language: pooled captures at `embeddings` or `resid_post.l`, with the same
    /// layers for every language. Captures at other sites are refused, as they have no layer.
    ///
    /// # Errors
    /// As [`LanguageStates::new`]; also captures that are not pooled or not on the residual stream.
    ///
    /// ```
    /// use babelscope_core::{engine::{Captured, Values}, plan::{Capture, Reduce, Site}};
    /// use babelscope_probes::align::LanguageStates;
    /// use candle_core::{Device, Tensor};
    /// let captured = |site| -> candle_core::Result<Vec<Captured>> {
    ///     let rows = Tensor::new(&[[1f32, 2.], [3., 4.]], &Device::Cpu)?; // two sentences
    ///     Ok(vec![Captured { capture: Capture { site, reduce: Reduce::Last }, values: Values::Pooled(rows) }])
    /// };
    /// let of = |site| Ok::<_, candle_core::Error>([("eng_Latn".into(), captured(site)?), ("fra_Latn".into(), captured(site)?)]);
    /// let states = LanguageStates::from_captured(&of(Site::layer(2))?)?;
    /// assert_eq!((states.layers(), states.sentences()), (&[2][..], 2));
    /// let no_layer = LanguageStates::from_captured(&of("mlp_out.2".parse()?)?);
    /// assert!(no_layer.is_err_and(|e| e.to_string().contains("mlp_out.2 is not a layer")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_captured(captured: &[(String, Vec<Captured>)]) -> Result<Self> {
        let mut languages = Vec::with_capacity(captured.len());
        let mut layers: Option<Vec<usize>> = None;
        let mut states = Vec::with_capacity(captured.len());
        for (language, captures) in captured {
            let mut of = Vec::with_capacity(captures.len());
            let mut at = Vec::with_capacity(captures.len());
            for capture in captures {
                let site = capture.site();
                if site != Site::layer(site.block) {
                    return refuse(format!("{site} is not a layer; capture `embeddings` or `resid_post.l`"));
                }
                let Values::Pooled(tensor) = &capture.values else {
                    return refuse(format!("{language} at {site} holds every token; capture it with a pooling"));
                };
                let (rows, width) = tensor.dims2().map_err(babelscope_core::Error::from)?;
                let values = tensor.flatten_all().and_then(|t| t.to_vec1()).map_err(babelscope_core::Error::from)?;
                let state = Array2::from_shape_vec((rows, width), values)
                    .map_err(|e| Error::Input { measure: "align", why: format!("{language} at {site}: {e}") })?;
                at.push(site.block);
                of.push(state);
            }
            if layers.get_or_insert_with(|| at.clone()) != &at {
                return refuse(format!("{language} was captured at layers {at:?}, the first language at others"));
            }
            languages.push(language.clone());
            states.push(of);
        }
        Self::new(languages, layers.unwrap_or_default(), states)
    }

    /// The languages, in the order given.
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// The layers, ascending.
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// How many sentences each language has.
    pub fn sentences(&self) -> usize {
        self.states[0][0].nrows()
    }

    /// States `[n, width]` of a language at a layer, both as indices.
    pub(crate) fn at(&self, language: usize, layer: usize) -> ArrayView2<'_, f32> {
        self.states[language][layer].view()
    }
}

impl StateSource for LanguageStates {
    fn languages(&self) -> &[String] {
        &self.languages
    }

    fn layers(&self) -> &[usize] {
        &self.layers
    }

    fn sentences(&self) -> usize {
        self.states[0][0].nrows()
    }

    fn state(&self, language: usize, layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        Ok(self.at(language, layer).into())
    }

    fn tokens(&self, language: usize) -> Option<&[Vec<u32>]> {
        self.tokens.get(language).map(Vec::as_slice)
    }

    fn in_memory(&self) -> bool {
        true
    }
}
