//! What a person may set.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Centring;

/// What a cosine is worth that equals that of the true pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// A tie does not count: the true pair must be closer than every other.
    #[default]
    Strict,
    /// A tie counts: the true pair must be as close as any other.
    Counted,
    /// A tie counts as `1 / number of equal ones`: what drawing one of them would give on the average.
    Shared,
}

/// What is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlignParams {
    /// Pivots, as named in the states; empty means every language, so all pairs.
    #[serde(default = "english")]
    pub pivots: Vec<String>,
    /// What is done to the states before the cosine, each a result of its own: `raw`, `language` (its mean is subtracted), `global`,
    /// `top`, `subspace`, `standardised`, `whitened`. The last five learn from all languages of the analysis.
    pub centrings: Vec<Centring>,
    /// What a tie is worth: `strict` (nothing), `counted` (all), `shared` (1 / number of equal ones).
    pub ties: Ties,
    /// Bootstrap draws for the intervals; 0 switches them off, otherwise at least 100.
    pub bootstrap: usize,
    /// Shuffles of the sentences for the nulls; 0 switches them off, otherwise at least 19.
    pub shuffles: usize,
    /// Whether a second null shuffles only sentences of like length and like count of shared tokens, where the tokens are known.
    pub matched: bool,
    /// Seed of the draws and shuffles.
    #[serde(skip)]
    pub seed: u64,
    /// Whether the outcome of each sentence is kept (20 bytes for a sentence in a cell).
    #[serde(skip)]
    pub outcomes: bool,
    /// Whether a pivot is also measured against itself, as the original does: 1 unless sentences share a state.
    #[serde(skip)]
    pub with_self: bool,
}

fn english() -> Vec<String> {
    vec!["eng_Latn".to_owned()]
}

impl Default for AlignParams {
    fn default() -> Self {
        Self {
            pivots: Vec::new(),
            centrings: vec![Centring::Raw, Centring::Language],
            ties: Ties::Strict,
            bootstrap: 1000,
            shuffles: 200,
            matched: true,
            seed: 0,
            outcomes: true,
            with_self: false,
        }
    }
}

impl AlignParams {
    /// Why these make no sense, as a sentence.
    ///
    /// ```
    /// use babelscope_probes::align::AlignParams;
    /// assert_eq!(AlignParams::default().problem(), None);
    /// let few = AlignParams { shuffles: 5, ..AlignParams::default() };
    /// assert!(few.problem().is_some_and(|why| why.contains("`shuffles`")));
    /// ```
    pub fn problem(&self) -> Option<String> {
        if self.centrings.is_empty() {
            return Some("no centring asked for; name `raw`, `language` or both".to_owned());
        }
        if self.centrings.iter().collect::<BTreeSet<_>>().len() < self.centrings.len() {
            return Some("the same centring is asked for twice".to_owned());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.pivots.iter().find(|pivot| !seen.insert(pivot.as_str())) {
            return Some(format!("pivot {twice} is named twice"));
        }
        if (1..100).contains(&self.bootstrap) {
            return Some(format!(
                "`bootstrap` = {}: so few draws give no 2.5 % percentile; use 1000, at least 100, or 0 for no interval",
                self.bootstrap
            ));
        }
        (1..19).contains(&self.shuffles).then(|| {
            format!(
                "`shuffles` = {}: so few draws cannot give a p below .05; use 200, at least 19, or 0 for no null",
                self.shuffles
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AlignParams, Ties};
    use crate::align::Centring;

    #[test]
    fn a_spec_without_keys_has_english_and_the_defaults() {
        let params: AlignParams = serde_json::from_str("{}").unwrap();
        assert_eq!(params, AlignParams { pivots: vec!["eng_Latn".to_owned()], ..AlignParams::default() });
        let set = r#"{"pivots": [], "centrings": ["top", "raw"], "ties": "shared", "shuffles": 0, "matched": false}"#;
        let params: AlignParams = serde_json::from_str(set).unwrap();
        assert_eq!((params.ties, &params.centrings[..]), (Ties::Shared, &[Centring::Top, Centring::Raw][..]));
        assert!(params.outcomes && params.pivots.is_empty() && params.problem().is_none());
        for hidden in [r#"{"seed": 1}"#, r#"{"outcomes": false}"#, r#"{"with_self": true}"#, r#"{"pivot": []}"#] {
            assert!(serde_json::from_str::<AlignParams>(hidden).is_err(), "{hidden}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let base = AlignParams::default();
        for (params, word) in [
            (AlignParams { centrings: vec![], ..base.clone() }, "centring"),
            (AlignParams { centrings: vec![Centring::Raw; 2], ..base.clone() }, "twice"),
            (AlignParams { pivots: vec!["a".into(), "a".into()], ..base.clone() }, "pivot a"),
            (AlignParams { bootstrap: 99, ..base.clone() }, "bootstrap"),
            (AlignParams { shuffles: 18, ..base }, "shuffles"),
        ] {
            assert!(params.problem().is_some_and(|why| why.contains(word)), "{params:?}");
        }
    }
}
