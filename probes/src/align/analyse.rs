//! Alignment of a model on a corpus: capture, then measure.

use babelscope_core::{
    alarm::Run,
    corpus::Corpus,
    engine::{Captured, Engine},
    monitor::{Monitor, Tick},
    plan::{Plan, Reduce},
};

use super::{AlignParams, AlignReport, LanguageStates, align, align_some, rows::adjust, walk::enough};
use crate::{Error, Result};

/// What of each sentence is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    /// Canonical layers, ascending; empty means all, 0 (embeddings) included.
    pub layers: Vec<usize>,
    /// How the tokens of a sentence become one vector; [`Reduce::All`] is refused.
    pub reduce: Reduce,
}

/// Captures every language of `corpus` and measures it. With pivots named, only their states and those of one language are held
/// at a time; with all pairs, or with a correction that learns from all languages, those of all.
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
    if extraction.reduce == Reduce::All {
        return refuse(
            "every token was asked for; alignment needs one vector a sentence: mean, weighted or last".into(),
        );
    }
    let layers: Vec<usize> = match extraction.layers.as_slice() {
        [] => (0..=engine.info().layers).collect(),
        some => some.to_vec(),
    };
    let plan = Plan::layers(layers, extraction.reduce);
    // One bar over the languages says more than one for each pass.
    let quiet = monitor.quiet();
    let mut tokens = 0;
    let mut alarms = Vec::new();
    let total = corpus.languages.len();
    let mut done = 0;
    let mut capture = |language: &String, held: &mut Held| -> Result<()> {
        monitor.tick(Tick { what: "aligning", done, total, unit: "languages" })?;
        done += 1;
        let lines = corpus.lines(language).unwrap_or_default();
        let encoded = engine.tokenizer().encode_all(lines)?;
        tokens += encoded.iter().map(|e| e.ids.len()).sum::<usize>();
        let run = engine.run_watched(&encoded, &plan, &quiet).and_then(Run::finite).map_err(|e| match e {
            babelscope_core::Error::Sentence { index, why } => {
                Error::Input { measure: "align", why: format!("line {} of {language}: {why}", index + 1) }
            }
            babelscope_core::Error::NotFinite { site, sentence, why } => {
                Error::Input { measure: "align", why: format!("line {} of {language} at {site}: {why}", sentence + 1) }
            }
            other => other.into(),
        })?;
        alarms.extend(run.alarms.iter().map(|alarm| format!("{language}: {alarm} (counted from 0)")));
        held.captured.push((language.clone(), run.captured));
        held.tokens.push(encoded.into_iter().map(|e| e.ids[e.bos..].to_vec()).collect());
        Ok(())
    };
    let others: Vec<&String> = corpus.languages.iter().filter(|l| !params.pivots.contains(l)).collect();
    let mut held = Held::default();
    if params.pivots.is_empty() || others.is_empty() || !params.centrings.iter().all(|c| c.is_plain()) {
        corpus.languages.iter().try_for_each(|language| capture(language, &mut held))?;
        let mut report = align(&held.states()?, params, &quiet)?;
        report.notes.extend(alarms);
        monitor.tick(Tick { what: "aligning", done: total, total, unit: "languages" })?;
        return Ok(AlignReport { tokens, ..report });
    }
    params.pivots.iter().try_for_each(|pivot| capture(pivot, &mut held))?;
    let pivots = params.pivots.len();
    let mut whole = AlignReport::default();
    for (at, language) in others.into_iter().enumerate() {
        capture(language, &mut held)?;
        // What the pivots have among themselves is measured with the first language, not again with each.
        let measured = if at == 0 { 0..=pivots } else { pivots..=pivots };
        let part = align_some(&held.states()?, measured, params, &quiet)?;
        held.truncate(pivots);
        whole.cells.extend(part.cells);
        whole.notes.extend(part.notes);
        whole.measured.rows.extend(part.measured.rows);
        (whole.chance_mexa, whole.chance_recall) = (part.chance_mexa, part.chance_recall);
    }
    whole.notes.extend(alarms);
    let place = |pivot: &str, language: &str| {
        // Rows without a pivot come last.
        let pivot = params.pivots.iter().position(|p| p == pivot).unwrap_or(usize::MAX);
        (pivot, corpus.languages.iter().position(|l| l == language))
    };
    whole.cells.sort_by_key(|cell| place(&cell.pivot, &cell.language));
    whole.measured.rows.sort_by_key(|row| place(&row.pivot, &row.language));
    // Every language is there only now.
    adjust(&mut whole.measured.rows);
    monitor.tick(Tick { what: "aligning", done: total, total, unit: "languages" })?;
    Ok(AlignReport { tokens, ..whole })
}

/// What was captured of some languages, and their tokens without BOS.
#[derive(Default)]
struct Held {
    captured: Vec<(String, Vec<Captured>)>,
    tokens: Vec<Vec<Vec<u32>>>,
}

impl Held {
    fn states(&self) -> Result<LanguageStates> {
        LanguageStates::from_captured(&self.captured)?.with_tokens(self.tokens.clone())
    }

    fn truncate(&mut self, languages: usize) {
        self.captured.truncate(languages);
        self.tokens.truncate(languages);
    }
}
