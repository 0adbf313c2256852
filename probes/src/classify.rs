//! Linear probes: what can be read off the states, with the controls without which that number means nothing.
//!
//! A probe is a multinomial logistic regression with an L2 penalty on the pooled states of one layer (`softmax`), on standardised input
//! (`scale`). Folds hold out whole sentences with all their translations (`deal`); the penalty is chosen by inner folds of the
//! training part; every row is tested once.
//!
//! - **accuracy**, **macro F1**, **AUROC**, **calibration** (`quality`); **majority** = accuracy of the training part's largest class;
//! - **shuffled null** of the accuracy: languages (scripts, families) change places within each sentence, labels between sentences;
//! - **control task** (Hewitt and Liang 2019): a random label for each sentence, the same in all its languages; rows are dealt so that the
//!   test has sentences that were trained on in other languages, as their word types are. **Selectivity** = accuracy - control accuracy;
//! - **online code** and **compression** (Voita and Titov 2020; `code`);
//! - **V-information** (Xu et al. 2020): held-out `log2 p(y | x) - log2 p(y)` in bits a row, p(y) the frequencies of the training part;
//! - **transfer** of a person's labels from language to language (`transfer`).
//!
//! Language identity is content-controlled because the corpus is parallel (every test sentence is there in every language) and
//! script-controlled in the variant `language_within_script`. methods.md 6.6.
//!
//! Trap: a probe finds what is there, not what the model uses; and with more columns than rows everything is separable in training, which
//! is why only held-out numbers are given.

mod code;
mod deal;
#[cfg(test)]
mod laws;
mod quality;
mod report;
mod scale;
mod softmax;
#[cfg(test)]
mod solvers;
mod task;
mod transfer;
mod validate;

use std::sync::Mutex;

use babelscope_core::monitor::{Monitor, Tick};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use softmax::{Problem, Softmax};
pub use task::Labels;

use crate::{
    Error, Result,
    bootstrap::Draws,
    measure::{Measured, Row},
    null,
    source::StateSource,
};
use deal::Deal;
use report::Page;
use scale::Layer;
use task::{Task, Tasks};
use validate::Bench;

const MEASURE: &str = "classify";

/// What a probe is trained to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The language; also among the languages of the most common script alone.
    Language,
    /// The script of the language.
    Script,
    /// The family of the language.
    Family,
    /// The labels of `labels`.
    Label,
}

/// The section `[classify]` of a spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifyParams {
    /// What probes are trained to tell: `language`, `script`, `family`, `label`.
    pub targets: Vec<Target>,
    /// File with one label for each line of the corpus, for the target `label`; empty for none.
    pub labels: String,
    /// Folds; a sentence and all its translations are in the same one.
    pub folds: usize,
    /// Inverse penalties C (scikit-learn's) to choose from by inner folds of the training part: by the share of rows that are right; for code
    /// length and information, by the loss.
    pub penalties: Vec<f64>,
    /// Whether the control task is measured, and with it selectivity.
    pub controls: bool,
    /// Whether the online code is measured: eleven more fits at most.
    pub online_code: bool,
    /// Whether probes for `label` are also tested on the other languages.
    pub transfer: bool,
    /// Shuffles for the null of the accuracy; 0 for none, otherwise at least 19.
    pub shuffles: usize,
    /// Whether every class weighs the same in training, however many rows it has.
    pub balanced: bool,
    /// First sentences of each language that are used; 0 for all.
    pub max_sentences: usize,
    /// States wider than this are reduced to as many principal components of the training rows; 0 for never.
    pub components: usize,
    /// Bootstrap draws over sentences for the intervals; 0 for none, otherwise at least 100.
    pub bootstrap: usize,
}

impl Default for ClassifyParams {
    fn default() -> Self {
        Self {
            targets: vec![Target::Language],
            labels: String::new(),
            folds: 5,
            penalties: vec![1e-3, 1e-2, 1e-1, 1.0, 10.0],
            controls: true,
            online_code: true,
            transfer: true,
            shuffles: 20,
            balanced: false,
            max_sentences: 500,
            components: 256,
            bootstrap: 1000,
        }
    }
}

impl ClassifyParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let twice = |(at, target): (usize, &Target)| self.targets[..at].contains(target);
        if self.targets.is_empty() {
            return Some("no target; name `language`, `script`, `family` or `label`".to_owned());
        }
        if self.targets.iter().enumerate().any(twice) {
            return Some("the same target is named twice".to_owned());
        }
        if self.folds < 2 {
            return Some(format!("{} folds leave nothing to test or to train on; use 5, at least 2", self.folds));
        }
        if self.penalties.is_empty() || self.penalties.iter().any(|c| !c.is_finite() || *c <= 0.0) {
            return Some(format!(
                "`penalties` needs numbers above 0 (C, the inverse penalty), got {:?}",
                self.penalties
            ));
        }
        if (1..19).contains(&self.shuffles) {
            return Some(format!("{} shuffles cannot give a p below .05; use 20, or 0 for no null", self.shuffles));
        }
        if (1..4).contains(&self.max_sentences) {
            return Some(format!("max_sentences is {}; at least 4 are needed, or 0 for all", self.max_sentences));
        }
        None
    }
}

/// Trains and tests the probes of every layer.
///
/// Rows, all of them for each layer, with the task as variant (`language`, `language_within_script`, `script`, `family`, the name of the
/// labels): `accuracy` (chance = majority; null), `macro_f1`, `auroc`, `calibration`, `majority`, `control_accuracy`, `selectivity`,
/// `v_information` (bits a row), `codelength` (bits; chance = the uniform code), `compression`; `class_accuracy` (language = class, or
/// item = class where classes are no languages); `confusion` (share of `language` taken for `pivot`); `transfer_accuracy` (tested on
/// `language`, trained on `pivot`; variant also with `_centred`). n is the number of sentences, of a class the number of its rows.
/// Intervals are bootstrap percentiles over sentences.
///
/// # Errors
/// Fewer than four sentences or than folds, one class only, a class of sentences with fewer members than folds, labels that do not match
/// the corpus, states that are not finite, parameters that make no sense; [`babelscope_core::Error::Cancelled`].
///
/// ```
/// use babelscope_core::monitor::Monitor;
/// use babelscope_probes::{align::LanguageStates, classify::{ClassifyParams, classify}};
/// use ndarray::Array2;
///
/// // Two languages that differ by an offset.
/// let state = |offset: f32| Array2::from_shape_fn((12, 3), |(i, j)| ((i * 7 + j * 5) % 11) as f32 + offset);
/// let languages = vec!["eng_Latn".into(), "rus_Cyrl".into()];
/// let states = LanguageStates::new(languages, vec![0], vec![vec![state(0.)], vec![state(50.)]])?;
/// let params = ClassifyParams { shuffles: 0, bootstrap: 0, ..ClassifyParams::default() };
/// let found = classify(&states, None, &params, 0, &Monitor::silent())?;
/// assert_eq!(found.value("accuracy", "", "", Some(0), "language"), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn classify(
    source: &dyn StateSource,
    labels: Option<&Labels>,
    params: &ClassifyParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Measured> {
    let Tasks { all: tasks, no_script, mut notes } = Tasks::new(source, labels, params)?;
    let n = tasks.first().map_or(0, |task| task.sentences);
    let groups = deal::groups(source, n);
    let different = (0..).zip(&groups).filter(|(at, group)| at == *group).count();
    if different < params.folds {
        let why = format!("{n} sentences with only {different} different ones cannot fill {} folds", params.folds);
        return Err(Error::Input { measure: MEASURE, why });
    }
    let deals: Vec<Deal> = tasks.iter().map(|task| Deal::new(task, &groups, params, seed)).collect();
    let draws = Draws::new(n, params.bootstrap, seed)?;
    let layers: Vec<usize> = (0..source.layers().len()).collect();
    let together = if source.in_memory() { layers.len() } else { 1 };
    let done = Mutex::new(0);
    let total = layers.len() * tasks.len();
    let mut measured: Vec<At> = Vec::with_capacity(layers.len());
    for some in layers.chunks(together.max(1)) {
        let found = some.par_iter().map(|&at| {
            let states = Layer::read(source, at)?;
            let mut out = At { width: states.width(), ..At::default() };
            for (task, deal) in tasks.iter().zip(&deals) {
                let bench = Bench { layer: &states, task, params, monitor };
                let page = Page { task, languages: source.languages(), layer: source.layers()[at], draws: &draws };
                out.measure(&bench, deal, &page)?;
                // The lock is held over the tick so that progress never runs backwards.
                let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *done += 1;
                monitor.tick(Tick { what: "training probes", done: *done, total, unit: "tasks" })?;
            }
            Ok(out)
        });
        measured.extend(found.collect::<Result<Vec<_>>>()?);
    }
    notes.extend(remarks(&tasks, &measured, params, n, different));
    let mut rows: Vec<Row> = measured.into_iter().flat_map(|at| at.rows).collect();
    if let Some(why) = no_script {
        rows.push(Row::missing("accuracy", why, n).variant("language_within_script"));
    }
    null::adjust_rows(&mut rows);
    Ok(Measured { rows, notes })
}

/// One layer.
#[derive(Default)]
struct At {
    rows: Vec<Row>,
    width: usize,
    /// Fits that did not reach the tolerance, of how many.
    unfinished: (usize, usize),
}

impl At {
    fn measure(&mut self, bench: &Bench<'_>, deal: &Deal, page: &Page<'_>) -> Result<()> {
        let found = bench.validate(deal)?;
        self.unfinished.0 += found.unfinished.0;
        self.unfinished.1 += found.unfinished.1;
        self.rows.extend(page.quality(&found));
        if bench.params.online_code {
            self.rows.extend(page.code(&code::code(bench, &deal.blocks)?));
        }
        if bench.params.transfer && bench.task.target == Target::Label {
            self.rows.extend(page.transfer(&transfer::transfer(bench, &deal.folds)?));
        }
        Ok(())
    }
}

/// What a person should know before believing the numbers.
fn remarks(tasks: &[Task], measured: &[At], params: &ClassifyParams, n: usize, different: usize) -> Vec<String> {
    let mut notes = vec![format!(
        "{} folds over sentences: a sentence and its translations are trained on or tested, never both",
        params.folds
    )];
    if different < n {
        notes.push(format!("{n} sentences, {different} of them different; copies are in the same fold"));
    }
    let wide = measured.iter().map(|at| at.width).max().unwrap_or(0);
    if params.components > 0 && wide > params.components {
        notes.push(format!(
            "states of {wide} columns were reduced to at most {} principal components of the training rows",
            params.components
        ));
    }
    if params.controls && tasks.iter().any(|task| task.languages.len() < 2) {
        notes.push(
            "one language: no sentence of the control task is seen in training, so its accuracy is chance".to_owned(),
        );
    }
    let (stopped, fits) = measured.iter().fold((0, 0), |(a, b), at| (a + at.unfinished.0, b + at.unfinished.1));
    if stopped > 0 {
        notes.push(format!("{stopped} of {fits} probes stopped before they had converged"));
    }
    notes
}
