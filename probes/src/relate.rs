//! Do languages that are better aligned also solve tasks better, and what of it is left when the tokenizer and the resources are held
//! fixed?
//!
//! Over the languages X that have both, with x a measure at a layer (MEXA, recall ...) and y a task's score, the log of a premium, or
//! the resource class (Joshi et al. 2020, 0 to 5):
//!
//! - **pearson** `sum (x - mx)(y - my) / sqrt(sum (x - mx)^2 sum (y - my)^2)`; **spearman** the same of mid-ranks; **kendall** tau-b;
//! - **partial** = the correlation of what is left of x and of y after least squares on the covariates; of ranks for spearman;
//! - **leave one out** = the smallest and the largest pearson without one language, whose name stands in the row.
//!
//! Kargaran et al. 2025 (arXiv 2410.05873) report pearson over languages for mean and maximum over layers; partial correlations are
//! asked for because resources drive both sides (methods.md 1.1).
//!
//! Decided here:
//! - Intervals: bootstrap over languages (percentiles, ranks and residuals made anew in each draw), for pearson Fisher's z too.
//! - Null: one permutation of the languages a draw, the same for every layer; of the residuals where covariates are held fixed.
//!   Two-sided: a row's null is that of the absolute value. Adjusted over the layers of a measure (Benjamini and Hochberg).
//! - Premiums are ratios, so their natural logs are taken. Fewer than 4 languages, or a constant side, give no number.
//! - Partial needs at least 4 languages more than covariates, and covariates that are not constant and not combinations of others.

mod cell;
mod correlation;
mod scores;
mod series;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use correlation::{kendall, partial, pearson, spearman};
pub use scores::{Scores, read_scores};

use crate::{
    Error, Result,
    measure::{Measured, Row},
    null::adjust_rows,
};
use cell::{Cell, Random, Target};
use series::Covariates;

/// Correlations of fewer languages are noise.
const FEWEST: usize = 4;
/// Covariates that every measure is related with, asked for or not.
const ALWAYS: [&str; 2] = ["premium", "resource"];

/// What is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskParams {
    /// A CSV file of scores: the first column holds languages, every further column a task. Empty: none, covariates alone.
    pub scores: String,
    /// What is related: `metric`, `metric/variant` or `metric/variant/item` as in the tables of results.
    pub measures: Vec<String>,
    /// The pivots of these; empty means all that were measured.
    pub pivots: Vec<String>,
    /// What is held fixed in partial correlations: `resource`, or a metric of the tokenizer (`premium`, `byte_premium`,
    /// `shared_tokens`, `premium/NAME` where two tokenizers were compared).
    pub covariates: Vec<String>,
    /// Bootstrap draws of languages for the intervals; 0 switches them off, otherwise at least 100.
    pub bootstrap: usize,
    /// Permutations for the null; 0 switches it off, otherwise at least 19.
    pub permutations: usize,
}

impl Default for TaskParams {
    fn default() -> Self {
        Self {
            scores: String::new(),
            measures: vec!["mexa/language".to_owned()],
            pivots: vec!["eng_Latn".to_owned()],
            covariates: ALWAYS.map(str::to_owned).to_vec(),
            bootstrap: 1000,
            permutations: 1000,
        }
    }
}

impl TaskParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.measures.is_empty() {
            return Some("`measures` is empty; name what to relate, such as mexa/language".to_owned());
        }
        for (key, names) in [("measures", &self.measures), ("pivots", &self.pivots), ("covariates", &self.covariates)] {
            let mut seen = BTreeSet::new();
            if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
                return Some(format!("`{key}` names {name} twice"));
            }
        }
        if (1..100).contains(&self.bootstrap) {
            return Some(format!("`bootstrap` is 0 or at least 100, got {}", self.bootstrap));
        }
        (1..19).contains(&self.permutations).then(|| {
            format!("`permutations` is 0 or at least 19 (fewer cannot give a p below .05), got {}", self.permutations)
        })
    }
}

/// Relates measures of alignment with scores of tasks and with covariates, over languages.
///
/// `alignment` are rows of any measure with a language, a pivot and mostly a layer; `tokenizer` the rows of
/// [`crate::tokenizer::tokenizer`]. Rows come out with the measure as their variant (`mexa/language`, and `mexa_mean/language`,
/// `mexa_max/language` over all layers), the task or covariate as their item, and the number of languages as their `n`.
///
/// # Errors
/// Parameters that make no sense; none of the measures among the rows; a task that is called like a covariate; scores that have
/// fewer than 4 languages in common with the rows.
///
/// ```
/// use babelscope_probes::{measure::Row, relate::{TaskParams, read_scores, relate}};
/// let codes = ["deu_Latn", "fra_Latn", "hin_Deva", "swh_Latn", "yor_Latn"];
/// let mexa = [0.9, 0.8, 0.6, 0.3, 0.1];
/// let rows: Vec<Row> = codes.iter().zip(mexa)
///     .map(|(code, mexa)| Row::new("mexa", mexa, 100).of(code).against("eng_Latn").at(3).variant("language"))
///     .collect();
/// let scores = read_scores("language,belebele\nde,80\nfr,78\nhi,60\nsw,41\nyo,29\n")?;
/// let found = relate(&rows, &[], Some(&scores), &TaskParams::default(), 0)?;
/// let row = found.metric("spearman").find(|r| r.item == "belebele" && r.layer == Some(3)).ok_or("no such row")?;
/// assert_eq!((row.value, row.n), (Some(1.0), 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn relate(
    alignment: &[Row],
    tokenizer: &[Row],
    scores: Option<&Scores>,
    params: &TaskParams,
    seed: u64,
) -> Result<Measured> {
    if let Some(why) = params.problem() {
        return Err(refuse(why));
    }
    let mut measured = Measured::default();
    let series = series::collect(alignment, params, &mut measured.notes)?;
    let languages: BTreeSet<&str> = series.iter().flat_map(|s| s.values.keys().map(String::as_str)).collect();
    if let Some(scores) = scores {
        compare(scores, &languages, &mut measured)?;
    }
    let named: BTreeSet<&str> = params.covariates.iter().map(String::as_str).chain(ALWAYS).collect();
    if let Some(task) = scores.and_then(|s| s.tasks.iter().find(|task| named.contains(task.as_str()))) {
        return Err(refuse(format!(
            "a column of the scores is called {task}, as is a covariate; give it another name"
        )));
    }
    let random = Random::new(params, seed);
    let pivots: BTreeSet<&str> = series.iter().map(|s| s.pivot.as_str()).collect();
    let covariates: BTreeMap<&str, Covariates> =
        pivots.into_iter().map(|pivot| (pivot, Covariates::new(&named, tokenizer, pivot, &languages))).collect();
    let mut cells = Vec::new();
    for series in &series {
        let known = &covariates[series.pivot.as_str()];
        for (at, task) in scores.iter().flat_map(|s| s.tasks.iter().enumerate()) {
            let given = params.covariates.iter().map(|name| (name.as_str(), known.get(name))).collect();
            let values = scores.map(|s| s.of(at)).unwrap_or_default();
            cells.push(Cell { series, target: Target { item: task, values: Ok(values) }, given: Some(given) });
        }
        for name in &named {
            cells.push(Cell { series, target: Target { item: name, values: known.get(name) }, given: None });
        }
    }
    let found: Vec<Vec<Row>> = cells.par_iter().map(|cell| cell.rows(&random)).collect::<Result<_>>()?;
    measured.rows.extend(found.into_iter().flatten());
    adjust_rows(&mut measured.rows);
    if scores.is_some() && !params.covariates.is_empty() {
        measured.notes.push(format!("partial correlations hold fixed: {}", params.covariates.join(", ")));
    }
    Ok(measured)
}

/// The scores as rows, and which languages are only on one side.
fn compare(scores: &Scores, languages: &BTreeSet<&str>, measured: &mut Measured) -> Result<()> {
    let scored: BTreeSet<&str> = scores.languages.iter().map(String::as_str).collect();
    let both: Vec<&str> = scored.intersection(languages).copied().collect();
    if both.len() < FEWEST {
        let which = if both.is_empty() { "none".to_owned() } else { both.join(", ") };
        return Err(refuse(format!(
            "the scores have {} languages in common with what was measured ({which}), at least {FEWEST} are needed; measured: {}",
            both.len(),
            languages.iter().copied().collect::<Vec<_>>().join(", ")
        )));
    }
    for (which, only) in [
        ("scored but not measured", scored.difference(languages).copied().collect::<Vec<_>>()),
        ("measured but not scored", languages.difference(&scored).copied().collect()),
    ] {
        if !only.is_empty() {
            measured.notes.push(format!("{which}, so left out: {}", only.join(", ")));
        }
    }
    for (at, task) in scores.tasks.iter().enumerate() {
        let row = |(language, value): (String, f64)| Row::new("task_score", value, 1).of(&language).item(task);
        measured.rows.extend(scores.of(at).into_iter().map(row));
    }
    Ok(())
}

fn refuse(why: String) -> Error {
    Error::Input { measure: "tasks", why }
}
