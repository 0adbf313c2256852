//! Alignment of a model on a corpus: capture, then measure.

use babelscope_core::{corpus::Corpus, engine::Engine, monitor::Monitor};

use super::{AlignParams, AlignReport, LanguageStates, align, walk::enough};
pub use crate::capture::Extraction;
use crate::{Error, Result, capture::capture};

/// Captures every language of `corpus` and measures it; the states of all languages are held. A run does the same from what it has
/// captured for all of its probes.
///
/// # Errors
/// As [`LanguageStates::new`] and [`align`]; a corpus without one of the pivots or with fewer than 4 sentences; whatever the engine
/// refuses.
pub fn analyse(
    engine: &Engine,
    corpus: &Corpus,
    extraction: &Extraction,
    params: &AlignParams,
    monitor: &Monitor,
) -> Result<AlignReport> {
    let refuse = |why: String| Err(Error::Input { measure: "align", why });
    if let Some(pivot) = params.pivots.iter().find(|p| !corpus.languages.contains(p)) {
        let known = corpus.languages.join(", ");
        return refuse(format!("pivot {pivot} is not in the corpus {}, which has {known}", corpus.name));
    }
    if corpus.languages.len() < 2 {
        return refuse(format!("the corpus {} has one language; alignment needs at least 2", corpus.name));
    }
    // Before the model runs, as it would be refused after.
    enough(corpus.len(), &format!("the corpus {}", corpus.name))?;
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    let (mut held, mut ids, mut tokens, mut alarms) = (Vec::new(), Vec::new(), 0, Vec::new());
    capture(engine, corpus, extraction, monitor, |language| {
        tokens += language.read;
        alarms.extend(language.alarms);
        ids.push(language.tokens);
        held.push((language.code, language.captured));
        Ok(())
    })?;
    let mut report = align(&LanguageStates::from_captured(&held)?.with_tokens(ids)?, params, monitor)?;
    report.notes.extend(alarms);
    Ok(AlignReport { tokens, ..report })
}
