//! The keys of `vector`: which directions are estimated, from what, and how well they hold on what was kept apart.

use babelscope_probes::steer::{Estimator, Position, TrainParams};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::repeated;

/// Steering vectors: of languages from the states of parallel sentences, or of anything from contrast pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VectorSpec {
    /// Languages that a vector leads away from. Unused with `pairs` or `positive_texts`.
    pub sources: Vec<String>,
    /// Languages that it leads to; empty is all others.
    pub targets: Vec<String>,
    /// File of contrast pairs (JSONL: `positive`, `negative`, or the A/B questions of CAA); empty: language vectors.
    pub pairs: String,
    /// Files of texts that are no pairs, one a line: what a vector leads to, and what it leads away from.
    pub positive_texts: String,
    /// See `positive_texts`.
    pub negative_texts: String,
    /// What the positive side of pairs or texts is called.
    pub positive: String,
    /// What the negative side is called.
    pub negative: String,
    /// How directions are estimated, one vector each.
    pub estimators: Vec<Estimator>,
    /// Which token of pairs and texts is read; the states of parallel sentences have the pooling of `[extract]`.
    pub position: Position,
    /// Every so-manyth item is held out to test the direction: 2 is one half; 0 holds out none.
    pub test_every: usize,
    /// Whether questions of pairs go through the model's chat template.
    pub chat: bool,
    /// Of pairs with a prompt: strengths, in mean norms, at which the held-out prompts are asked which answer they lean to. Empty: none.
    pub strengths: Vec<f64>,
    /// Bootstrap draws over held-out items; 0 leaves the intervals out.
    pub bootstrap: usize,
}

impl Default for VectorSpec {
    fn default() -> Self {
        let TrainParams { estimator, position, test_every, chat, bootstrap, .. } = TrainParams::default();
        Self {
            sources: vec!["eng_Latn".to_owned()],
            targets: Vec::new(),
            pairs: String::new(),
            positive_texts: String::new(),
            negative_texts: String::new(),
            positive: "positive".to_owned(),
            negative: "negative".to_owned(),
            estimators: vec![estimator],
            position,
            test_every,
            chat,
            strengths: vec![-0.5, -0.25, 0.25, 0.5],
            bootstrap,
        }
    }
}

impl VectorSpec {
    /// Whether its vectors are those of languages, which need no further pass over the sentences.
    pub fn of_languages(&self) -> bool {
        self.pairs.is_empty() && self.positive_texts.is_empty() && self.negative_texts.is_empty()
    }

    /// What one estimator is told; `layers` are those of `[extract]`.
    pub fn training(&self, estimator: Estimator, layers: &[usize]) -> TrainParams {
        let Self { position, test_every, chat, bootstrap, .. } = *self;
        TrainParams { estimator, position, layers: layers.to_vec(), test_every, chat, bootstrap }
    }

    /// The ordered pairs of languages among `languages`.
    pub fn language_pairs<'a>(&'a self, languages: &'a [String]) -> Vec<(&'a str, &'a str)> {
        let all = |some: &'a [String]| if some.is_empty() { languages } else { some };
        let pairs = all(&self.sources).iter().flat_map(|from| all(&self.targets).iter().map(move |to| (from, to)));
        pairs.filter(|(from, to)| from != to).map(|(from, to)| (from.as_str(), to.as_str())).collect()
    }

    /// Why these make no sense, as a sentence; `languages` are those that the spec names, empty for all.
    pub(super) fn problem(&self, languages: &[String]) -> Option<String> {
        if self.estimators.is_empty() {
            return Some("`estimators` is empty; name at least one, as diff_mean".to_owned());
        }
        let names: Vec<&str> = self.estimators.iter().map(|estimator| estimator.name()).collect();
        if let Some(twice) = repeated(&names) {
            return Some(format!("`estimators` names {twice} twice"));
        }
        if let Some(bad) = self.strengths.iter().find(|strength| !strength.is_finite()) {
            return Some(format!("`strengths` has {bad}; expected finite numbers"));
        }
        if let Some(twice) = repeated(&self.sources).or_else(|| repeated(&self.targets)) {
            return Some(format!("`sources` or `targets` name {twice} twice"));
        }
        if self.positive_texts.is_empty() != self.negative_texts.is_empty() {
            return Some(
                "`positive_texts` and `negative_texts` come together: a vector leads from one to the other".to_owned(),
            );
        }
        if !self.pairs.is_empty() && !self.positive_texts.is_empty() {
            return Some("`pairs` and `positive_texts` are both given; leave one of them out".to_owned());
        }
        if self.of_languages() {
            let named = self.sources.iter().chain(&self.targets);
            if let Some(outside) = named.into_iter().find(|code| !languages.is_empty() && !languages.contains(code)) {
                return Some(format!("the language {outside} of `vector` is not among `data.languages`; add it there"));
            }
            if matches!((self.sources.as_slice(), self.targets.as_slice()), ([one], [other]) if one == other) {
                return Some(
                    "`sources` and `targets` name the same language; a vector leads from one to another".to_owned(),
                );
            }
        } else if self.positive.trim().is_empty() || self.negative.trim().is_empty() || self.positive == self.negative {
            return Some("`positive` and `negative` name the two sides; give two different names".to_owned());
        }
        self.training(Estimator::default(), &[]).problem()
    }
}
