//! One pass over a parallel corpus, for all measures of its pooled states.

use babelscope_core::{
    alarm::Run,
    corpus::Corpus,
    engine::{Captured, Engine},
    monitor::{Monitor, Tick},
    plan::{Plan, Reduce},
};

use crate::{Error, Result};

/// What of each sentence is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    /// Canonical layers, ascending; empty means all, 0 (embeddings) included.
    pub layers: Vec<usize>,
    /// How the tokens of a sentence become one vector; [`Reduce::All`] is refused.
    pub reduce: Reduce,
}

/// What a pass over one language gave.
#[derive(Debug)]
pub struct Language {
    /// The language.
    pub code: String,
    /// Its pooled states, one capture a layer.
    pub captured: Vec<Captured>,
    /// Token ids of each sentence without BOS.
    pub tokens: Vec<Vec<u32>>,
    /// Tokens that the model read, BOS included.
    pub read: usize,
    /// What is suspicious about its states.
    pub alarms: Vec<String>,
}

/// Runs every language of `corpus` through the model, each once, and hands over what came before the next is read.
///
/// # Errors
/// A reduction that keeps every token; whatever the engine refuses, with the line and the language; what `take` refuses.
pub fn capture(
    engine: &Engine,
    corpus: &Corpus,
    extraction: &Extraction,
    monitor: &Monitor,
    mut take: impl FnMut(Language) -> Result<()>,
) -> Result<()> {
    if extraction.reduce == Reduce::All {
        let why =
            "every token was asked for; a measure of sentences needs one vector a sentence: mean, weighted or last";
        return Err(Error::Input { measure: "capture", why: why.to_owned() });
    }
    let layers: Vec<usize> = match extraction.layers.as_slice() {
        [] => (0..=engine.info().layers).collect(),
        some => some.to_vec(),
    };
    let plan = Plan::layers(layers, extraction.reduce);
    let total = corpus.len() * corpus.languages.len();
    for (at, language) in corpus.languages.iter().enumerate() {
        let lines = corpus.lines(language).unwrap_or_default();
        let encoded = engine.tokenizer().encode_all(lines)?;
        let within = monitor.within("capturing", at * corpus.len(), total);
        let run = engine.run_watched(&encoded, &plan, &within).and_then(Run::finite).map_err(|e| match e {
            babelscope_core::Error::Sentence { index, why } => {
                Error::Input { measure: "capture", why: format!("line {} of {language}: {why}", index + 1) }
            }
            babelscope_core::Error::NotFinite { site, sentence, why } => {
                let why = format!("line {} of {language} at {site}: {why}", sentence + 1);
                Error::Input { measure: "capture", why }
            }
            other => other.into(),
        })?;
        take(Language {
            code: language.clone(),
            captured: run.captured,
            read: encoded.iter().map(|e| e.ids.len()).sum(),
            tokens: encoded.into_iter().map(|mut e| e.ids.split_off(e.bos)).collect(),
            alarms: run.alarms.iter().map(|alarm| format!("{language}: {alarm} (counted from 0)")).collect(),
        })?;
    }
    monitor.tick(Tick { what: "capturing", done: total, total, unit: "sentences" })?;
    Ok(())
}
