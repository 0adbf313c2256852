//! The languages of a trace as it is written: its steps without their mathematics, named by the identifier of the corpus.

use super::{Result, Watched};
use crate::{
    cot::{
        mixing::{MIN_LETTERS, StepPosterior, mixing},
        regions::regions,
        report::Traced,
    },
    steer::Identifier,
};

/// A text without its mathematics and code.
fn prose(text: &str) -> String {
    let (mut kept, mut from) = (String::with_capacity(text.len()), 0);
    for region in regions(text) {
        kept.push_str(&text[from..region.span.start]);
        kept.push(' ');
        from = region.span.end;
    }
    kept + &text[from..]
}

/// Names the language of each step, and says how they mix.
pub(super) fn mixed(traced: &Traced, identifier: &Identifier, found: &mut Watched) -> Result<()> {
    let mut posteriors = Vec::with_capacity(traced.steps.len());
    for step in &traced.steps {
        let text = prose(traced.trace.text.get(step.span.clone()).unwrap_or_default());
        let verdict = identifier.verdict(&text);
        let posterior = identifier.posteriors(&text);
        // A script that no language of the corpus has says nothing.
        let possible = posterior.iter().sum::<f64>() > 0.0;
        let even = 1.0 / posterior.len().max(1) as f64;
        posteriors.push(StepPosterior {
            letters: if possible { verdict.letters } else { 0 },
            posterior: if possible { posterior } else { vec![even; posterior.len()] },
        });
        found.surface.push(verdict.language);
    }
    found.mixing = mixing(&posteriors, identifier.languages().len(), MIN_LETTERS)?;
    if found.mixing.is_some() {
        found.languages = identifier.languages().to_vec();
    }
    Ok(())
}
