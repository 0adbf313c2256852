//! Steps thought again: what rollouts say of each, and when two steps mean the same.

use std::collections::BTreeSet;

use babelscope_core::{engine::Engine, monitor::Monitor};
use unicode_segmentation::UnicodeSegmentation as _;

use super::{WatchParams, refuse};
use crate::{
    Result,
    cot::{
        Kind, anchors,
        inside::{Importance, Judges, ResampleParams, Told, resample},
        report::{Traced, gold},
        steps,
    },
};

/// The answer of a text, as a number.
fn concluded(text: &str, language: &str) -> Option<String> {
    let (found, _) = anchors(text, &steps(text), language);
    found
        .into_iter()
        .find(|anchor| anchor.kind == Kind::Answer)
        .and_then(|anchor| anchor.value)
        .map(|value| value.to_string())
}

/// How alike two steps are: the share of their assertions, by canonical form, that both have (Jaccard); of their words where neither
/// asserts anything. The original takes the cosine of English sentence embeddings; this holds for every language that is read.
///
/// ```
/// use babelscope_probes::cot::watched::alike;
/// assert_eq!(alike("So 4 + 3 = 7.", "We get 3 + 4 = 7.", "eng_Latn"), 1.0);
/// assert_eq!(alike("3 + 4 = 7.", "3 + 5 = 8.", "eng_Latn"), 0.0);
/// assert_eq!(alike("Let us think.", "Let us wait.", "eng_Latn"), 0.5);
/// ```
pub fn alike(a: &str, b: &str, language: &str) -> f64 {
    let asserted = |text: &str| -> BTreeSet<String> {
        let (found, _) = anchors(text, &steps(text), language);
        found.into_iter().map(|anchor| anchor.normal).collect()
    };
    let words = |text: &str| -> BTreeSet<String> { text.unicode_words().map(str::to_lowercase).collect() };
    let (mut a_set, mut b_set) = (asserted(a), asserted(b));
    if a_set.is_empty() && b_set.is_empty() {
        (a_set, b_set) = (words(a), words(b));
    }
    let both = a_set.intersection(&b_set).count();
    let either = a_set.union(&b_set).count();
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

/// What rollouts say of the steps, with notes. Right is the known answer, also where the trace comes to another one.
pub(super) fn rolled(
    engine: &Engine,
    traced: &Traced,
    told: &Told<'_>,
    params: &WatchParams,
    (seed, stop): (u64, &[String]),
    monitor: &Monitor,
) -> Result<(Vec<Importance>, Vec<String>)> {
    let known = gold(&traced.trace);
    let unknown = known.is_none();
    let Some(answer) = known.or_else(|| traced.answer.clone()) else {
        return refuse("the right answer is not known and the trace gives none, so rollouts have nothing to come to");
    };
    let language = traced.trace.language.as_str();
    let first =
        |text: &str| steps(text).first().and_then(|step| text.get(step.span.clone())).unwrap_or_default().to_owned();
    let same = |a: &str, b: &str| alike(a, b, language);
    let judges = Judges { answer: &|text| concluded(text, language), first: &first, similar: Some(&same) };
    let longest = traced.trace.tokens.as_ref().map_or(told.trace.len(), |tokens| tokens.ids.len());
    let asked = ResampleParams {
        rollouts: params.rollouts,
        max_new_tokens: 2 * longest,
        stop: stop.to_vec(),
        ..ResampleParams::default()
    };
    // What does not fit behind the trace is cut from the budget of new tokens.
    let room = engine.info().context.saturating_sub(told.tokens());
    let asked = ResampleParams { max_new_tokens: asked.max_new_tokens.min(room).max(1), ..asked };
    let mut found = resample(engine, told, &answer.to_string(), &judges, &asked, seed, &monitor.quiet())?;
    if unknown {
        found.notes.push(
            "the right answer is not known: the accuracy of rollouts is how often they come to the trace's own"
                .to_owned(),
        );
    }
    Ok((found.steps, found.notes))
}
