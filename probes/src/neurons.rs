//! Language-specific neurons: which neurons are active in few languages, and what switching them off does.
//!
//! - **Neuron** = one entry of the feed-forward part's inside. It is **active** at a token where `act(gate) > 0` (of a part without a
//!   gate: its activation), not the product with `up`. SiLU, both GELUs and ReLU are above 0 exactly where what they read is, so
//!   the engine counts at `mlp_gate` and keeps a share a sentence. BOS is left out.
//! - **LAPE** and who belongs to whom: [`lape`], after Tang et al. 2024 (arXiv 2402.16438).
//! - **Effect**: the neurons of language A are multiplied by 0 at `mlp_act`, and the perplexity of language B is read:
//!   `exp(-sum ln p / tokens)` over all tokens that have one before them (with a BOS all but BOS, without one all but the first).
//!   **Ratio** = with the neurons off / as it is. **Specificity** = `ln ratio` of the own language minus the mean of the others'.
//! - **Controls**: sets of the same size in every layer: random ones, ones of like frequency over all languages, ones of like frequency in
//!   the language itself. Sets of other languages are the rest of the matrix.
//! - Lines 1, 3, 5, ... choose; lines 2, 4, 6, ... are measured, and choose once more to see whether they choose the same.
//!
//! methods.md 4.2. Traps: specific is not necessary (a rare neuron may do nothing), the bar decides how many there are, and a close
//! relative in the list of languages takes neurons away from both.

mod activity;
mod controls;
mod effect;
mod lape;
mod matrix;
mod report;
#[cfg(test)]
mod tests;

use babelscope_core::{
    corpus::Corpus,
    engine::Engine,
    monitor::{Monitor, Tick},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use lape::{Lape, Rule, jaccard, lape};

use crate::{Error, Result, bootstrap::Draws, measure::Measured};
use activity::{Activity, Places, Text, count};
use report::Selection;

/// Tokens of a language in each half below which a probability says nothing.
const FEWEST_TOKENS: usize = 100;
/// Tokens a language that a demonstration and a claim need (methods.md 12).
const DEMONSTRATION: usize = 100_000;
const CLAIM: usize = 1_000_000;

/// What is chosen and measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NeuronParams {
    /// Languages, at least 2; empty means all of the corpus.
    pub languages: Vec<String>,
    /// Share of the neurons that is chosen, above 0 and at most .5.
    pub top_rate: f64,
    /// Share of all activation probabilities that lies at or below the bar, above 0 and below 1.
    pub bar: f64,
    /// Whether the share is chosen in every layer instead of over the whole network.
    pub per_layer: bool,
    /// Whether the chosen neurons are switched off to measure perplexities.
    pub effect: bool,
    /// How many held-out lines are read for a perplexity, at least 2; fewer where there are fewer.
    pub effect_sentences: usize,
    /// Random sets for each language; 0 leaves out every kind of control.
    pub controls: usize,
    /// Bootstrap draws over sentences; 0 leaves the intervals out.
    pub bootstrap: usize,
}

impl Default for NeuronParams {
    fn default() -> Self {
        Self {
            languages: Vec::new(),
            top_rate: 0.01,
            bar: 0.95,
            per_layer: false,
            effect: true,
            effect_sentences: 100,
            controls: 3,
            bootstrap: 1000,
        }
    }
}

impl NeuronParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if !(self.top_rate > 0.0 && self.top_rate <= 0.5) {
            return Some(format!(
                "top_rate is {}, expected above 0 and at most .5; the paper takes .01",
                self.top_rate
            ));
        }
        if !(self.bar > 0.0 && self.bar < 1.0) {
            return Some(format!("bar is {}, expected above 0 and below 1; the paper takes .95", self.bar));
        }
        if self.effect && self.effect_sentences < 2 {
            return Some(format!("effect_sentences is {}, expected at least 2; take 100", self.effect_sentences));
        }
        if self.languages.len() == 1 {
            return Some("one language was asked for; what is specific shows beside at least one other".to_owned());
        }
        let mut sorted = self.languages.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Some(format!("language {} is named twice", pair[0]));
        }
        Draws::new(0, self.bootstrap, 0).err().map(|e| e.to_string())
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "neurons", why })
}

/// The language-specific neurons of a model on a corpus, and what each language loses without those of each.
///
/// Rows: `lape`, `activation_probability` (chosen neurons; `item` is the number in the layer), `neurons_of_language` (by layer, and
/// without layer in all), `neurons_selected`, `neuron_overlap`, `selection_overlap`, `lape_bar`, `lape_cut`, `lape_filtered`,
/// `lape_histogram` (`item` is the bin of 50 from 0 to ln(languages)), `probability_histogram` (20 from 0 to 1); with
/// [`NeuronParams::effect`] `perplexity` and `perplexity_ratio` (`language` is the text's, `pivot` the one whose neurons are off),
/// `damage_specificity`, `match_distance`. Variants of these: `lape`, and the controls `random` (mean, and the range of the sets as
/// interval), `matched_frequency`, `matched_own_frequency`.
///
/// # Errors
/// Parameters that make no sense, fewer than 2 languages, too few lines or tokens, a model without neurons of this kind, with `effect`
/// a model that predicts no next token, and whatever the engine refuses.
///
/// ```
/// use babelscope_core::{corpus::Corpus, engine::{Engine, LoadOptions}, monitor::Monitor};
/// use babelscope_probes::neurons::{NeuronParams, neurons};
/// let monitor = Monitor::silent();
/// let lab = Engine::load("lab", &LoadOptions::default(), &monitor)?;
/// let params = NeuronParams { effect: false, ..NeuronParams::default() };
/// let found = neurons(&lab, &Corpus::open("lab".as_ref())?, &params, 0, &monitor)?;
/// // 1 % of 4 layers of 352 neurons.
/// assert_eq!(found.value("neurons_selected", "", "", None, ""), Some(14.0));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn neurons(
    engine: &Engine,
    corpus: &Corpus,
    params: &NeuronParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Measured> {
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    if params.effect {
        effect::check(engine)?;
    }
    let mut notes = Vec::new();
    let places = Places::of(engine, &mut notes)?;
    let texts = read(engine, corpus, params)?;
    let [first, second] = activities(engine, &texts, &places, monitor)?;
    notes.extend(amount(&texts, &first));
    let rule = Rule { top_rate: params.top_rate, bar: params.bar, per_layer: params.per_layer.then_some(places.width) };
    let probabilities = |of: &[Activity]| of.iter().map(|a| a.probabilities.clone()).collect::<Vec<_>>();
    let (chosen, again) = (lape(&probabilities(&first), &rule)?, lape(&probabilities(&second), &rule)?);
    if chosen.selected.is_empty() {
        notes.push(format!("no neuron has a language above the bar of {}, so none was chosen", chosen.bar));
    }
    let languages: Vec<String> = texts.iter().map(|text| text.language.clone()).collect();
    let selection = Selection {
        languages: &languages,
        places: &places,
        activity: &first,
        chosen: &chosen,
        again: &again,
        per_layer: params.per_layer,
    };
    let mut measured = Measured { rows: selection.rows(), notes };
    if params.effect {
        let effect = matrix::measure(engine, &texts, &places, (&chosen, &first), (params, seed), monitor)?;
        measured.rows.extend(effect.rows);
        measured.notes.extend(effect.notes);
    }
    Ok(measured)
}

/// The lines of every language that was asked for.
fn read(engine: &Engine, corpus: &Corpus, params: &NeuronParams) -> Result<Vec<Text>> {
    let wanted = if params.languages.is_empty() { &corpus.languages } else { &params.languages };
    if wanted.len() < 2 {
        let name = &corpus.name;
        return refuse(format!("the corpus {name} has one language; what is specific shows beside at least one other"));
    }
    if corpus.len() < 4 {
        return refuse(format!(
            "the corpus {} has {} lines; one half chooses neurons and the other is measured, so at least 4 are needed",
            corpus.name,
            corpus.len()
        ));
    }
    let text = |language: &String| {
        let Some(lines) = corpus.lines(language) else {
            let known = corpus.languages.join(", ");
            return refuse(format!("{language} is not in the corpus {}, which has {known}", corpus.name));
        };
        let text = Text::new(engine, language, lines)?;
        for half in &text.halves {
            let tokens: usize = half.iter().map(|s| s.ids.len().saturating_sub(s.bos)).sum();
            if tokens < FEWEST_TOKENS {
                return refuse(format!(
                    "half of the lines of {language} have {tokens} tokens; a probability needs at least {FEWEST_TOKENS}, a \
                     demonstration {DEMONSTRATION}; give more lines"
                ));
            }
        }
        Ok(text)
    };
    wanted.iter().map(text).collect()
}

/// How often each neuron is active in each language, in the half that chooses and in the other.
fn activities(engine: &Engine, texts: &[Text], places: &Places, monitor: &Monitor) -> Result<[Vec<Activity>; 2]> {
    let total = 2 * texts.len();
    let mut halves = [Vec::new(), Vec::new()];
    for (at, text) in texts.iter().enumerate() {
        for (half, found) in halves.iter_mut().enumerate() {
            monitor.tick(Tick { what: "counting active neurons", done: 2 * at + half, total, unit: "halves" })?;
            found.push(count(engine, text, half, places, monitor)?);
        }
    }
    monitor.tick(Tick { what: "counting active neurons", done: total, total, unit: "halves" })?;
    Ok(halves)
}

/// How much the probabilities rest on, where it is little.
fn amount(texts: &[Text], activity: &[Activity]) -> Option<String> {
    let by_tokens = || texts.iter().zip(activity).map(|(text, activity)| (activity.tokens, &text.language));
    let ((fewest, least), (most, _)) = (by_tokens().min()?, by_tokens().max()?);
    (fewest < CLAIM).then(|| {
        format!(
            "activation probabilities rest on {fewest} ({least}) to {most} tokens a language; a demonstration needs \
             {DEMONSTRATION}, a claim {CLAIM}"
        )
    })
}
