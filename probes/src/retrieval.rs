//! Retrieval: how well does a sentence find its translation among all others, and how much do hubs and cones have to do with it?
//!
//! For pivot P, language X and layer l, with the states `p_i` and `x_j` of the parallel sentences `i, j = 1..n`, a similarity
//! `s(i, j)`, and the **rank** of sentence i from the pivot `= 1 + |{j != i : s(i, j) >= s(i, i)}|` (to the pivot: of column i):
//!
//! - **recall@k** = share of ranks <= k, **MRR** = mean of 1 / rank, **mean rank**, each both ways; **MEXA** = share of the i with
//!   rank 1 both ways (Kargaran et al. 2025, arXiv 2410.05873). Chance: `k / n`, `H_n / n`, `(n + 1) / 2`, `1 / (2n - 1)`.
//! - Similarities: cosine c; dot product; minus the Euclidean distance of the states as they are; and three that correct for hubs with
//!   `r_x(i)`, the mean cosine of `p_i` to its k nearest x, and `r_y(j)`, that of `x_j` to its k nearest p:
//!   **CSLS** `2c - r_x - r_y` (Conneau et al. 2018, arXiv 1710.04087), **ratio margin** `c / ((r_x + r_y) / 2)` and **distance margin**
//!   `c - (r_x + r_y) / 2` (Artetxe and Schwenk 2019, arXiv 1811.01136). At the same k, CSLS is twice the distance margin.
//! - **xSIM error** (LASER `source/xsim.py`): share of sentences for which the true one is not the best by margin among the k nearest
//!   *by cosine*, so a pair outside those k is an error whatever its margin.
//! - **Bitext F1** (MINERS, arXiv 2406.07424): Euclidean nearest, weighted F1 with the sentence ids as classes:
//!   the mean over i of `2 / (2 + wrong answers i)` where i is found and 0 elsewhere. So it is close to recall, and a hub costs its own
//!   sentence points. Its code sizes the last batch by the length of a dict and may so drop sentences; here none is dropped.
//! - **Pair cosine** (Language Ranker, arXiv 2404.11553): mean cosine of the true pairs; **gap** = that minus the mean of the wrong
//!   pairs; **z** = the gap over the standard deviation of the wrong pairs. **Anisotropy** = mean cosine of different sentences of one language.
//! - **Hubs**: `N_k(j)` = for how many sentences j is among the k nearest by cosine; its skewness, the share with `N_k = 0`, its maximum.
//!
//! Decided here:
//! - Products are computed in f64 in a fixed order, and cosine, dot product and distance rounded to f32: equal ones are a tie, and a tie
//!   never counts. CSLS and margins come from those cosines in f64, so sentences with the same states still tie.
//! - A pair of which one side has no direction (norm zero, or nothing left after centring) has rank n in everything that rests on the
//!   cosine: it never counts. Dot product and distance know lengths, so they do without a direction.
//! - The ratio margin is undefined where `r_x + r_y <= 0` for some pair, as after centring: then it has no value, and the status says so.
//! - xSIM and F1 are given both ways; `from_pivot` asks with the pivot's sentences.
//! - Intervals: sentences are drawn, and their ranks stay (see [`crate::bootstrap`]). Nulls: see [`crate::null`].

mod neighbours;
mod notes;
mod over_layers;
mod pair;
mod pair_cosines;
mod prepared;
mod products;
mod rows;
mod search;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use babelscope_core::monitor::{Monitor, Tick};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    align::Centring,
    bootstrap::Draws,
    measure::Measured,
    null::{Permutations, adjust_rows},
    source::{StateSource, pivots},
};
use notes::Notes;
use over_layers::OverLayers;
use pair::Pair;
use prepared::{Correction, Prepared};
use products::Base;
use rows::Context;

/// The name of the measure in errors.
const MEASURE: &str = "retrieval";

/// Bytes of similarities that stand in memory at once; one pair may take more.
const SIMILARITY_BYTES: usize = 512 << 20;

/// What makes one sentence close to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Similarity {
    /// Cosine.
    Cosine,
    /// Dot product of the states as they are.
    Dot,
    /// Minus the Euclidean distance of the states as they are.
    Euclid,
    /// Twice the cosine minus both means to the `neighbours` nearest: hubs lose.
    Csls,
    /// Cosine over the mean of both means to the `margin_neighbours` nearest.
    Ratio,
    /// Cosine minus the mean of both means to the `margin_neighbours` nearest.
    Distance,
}

impl Similarity {
    /// Its name in specs, tables and rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::Euclid => "euclid",
            Self::Csls => "csls",
            Self::Ratio => "ratio",
            Self::Distance => "distance",
        }
    }

    fn base(self) -> Base {
        match self {
            Self::Dot => Base::Dot,
            Self::Euclid => Base::Euclid,
            Self::Cosine | Self::Csls | Self::Ratio | Self::Distance => Base::Cosine,
        }
    }
}

/// What is computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetrievalParams {
    /// Pivots; empty means every language, so all ordered pairs.
    pub pivots: Vec<String>,
    /// What is done to the states before.
    pub centrings: Vec<Centring>,
    /// What makes sentences close.
    pub similarities: Vec<Similarity>,
    /// The k of recall@k; recall@1 is given in any case.
    pub ks: Vec<usize>,
    /// The k of CSLS and of hubs.
    pub neighbours: usize,
    /// The k of the margins and of the xSIM error.
    pub margin_neighbours: usize,
    /// Whether each state also loses the mean of its own features, as xsim's `center=True` does. This is not language centring.
    pub row_centred: bool,
    /// How many principal components the centring `top` removes; 0: width / 100, at least 1.
    pub top: usize,
    /// How many dimensions the centring `subspace` removes; 0: one less than there are languages.
    pub rank: usize,
    /// Bootstrap draws for the intervals; 0 switches them off, otherwise at least 100.
    pub bootstrap: usize,
    /// Permutations for the nulls; 0 switches them off, otherwise at least 19.
    pub shuffles: usize,
    /// Whether there is also a null among sentences of like length and shared tokens.
    pub matched: bool,
}

impl Default for RetrievalParams {
    fn default() -> Self {
        Self {
            pivots: vec!["eng_Latn".into()],
            centrings: vec![Centring::Raw, Centring::Language],
            similarities: vec![Similarity::Cosine, Similarity::Csls, Similarity::Distance],
            ks: vec![1, 5, 10],
            neighbours: 10,
            margin_neighbours: 4,
            row_centred: false,
            top: 0,
            rank: 0,
            bootstrap: 1000,
            shuffles: 200,
            matched: true,
        }
    }
}

impl RetrievalParams {
    /// Why these make no sense, as a sentence.
    ///
    /// ```
    /// use babelscope_probes::retrieval::RetrievalParams;
    /// assert_eq!(RetrievalParams::default().problem(), None);
    /// let none = RetrievalParams { ks: vec![0], ..RetrievalParams::default() };
    /// assert!(none.problem().is_some_and(|why| why.contains("at least 1")));
    /// ```
    pub fn problem(&self) -> Option<String> {
        fn twice<T: Ord + Copy>(all: &[T]) -> bool {
            all.iter().collect::<BTreeSet<_>>().len() < all.len()
        }
        if self.centrings.is_empty() {
            return Some("no centring is asked for; name `raw`, `language` or another in `centrings`".into());
        }
        if self.similarities.is_empty() {
            return Some("no similarity is asked for; name `cosine` or another in `similarities`".into());
        }
        if twice(&self.centrings) || twice(&self.similarities) || twice(&self.ks) {
            return Some("something is asked for twice in `centrings`, `similarities` or `ks`; name each once".into());
        }
        if self.ks.is_empty() || self.ks.contains(&0) {
            return Some(format!("expected one or more k of at least 1 in `ks`, got {:?}", self.ks));
        }
        if self.neighbours == 0 || self.margin_neighbours == 0 {
            return Some("`neighbours` and `margin_neighbours` must be at least 1".into());
        }
        if (1..100).contains(&self.bootstrap) {
            return Some(format!(
                "{} bootstrap draws are too few; use 1000, at least 100, or 0 for no interval",
                self.bootstrap
            ));
        }
        (1..19).contains(&self.shuffles).then(|| {
            format!("{} shuffles cannot give a p below .05; use 200, at least 19, or 0 for no null", self.shuffles)
        })
    }
}

/// Measures every language against every pivot at every layer.
///
/// Rows have `variant` = `centring/similarity` (`raw/csls`):
/// - `mexa`, `recall_from_pivot` and `recall_to_pivot` (`item` = k), `mrr_from_pivot`, `mrr_to_pivot`, `mean_rank_from_pivot`,
///   `mean_rank_to_pivot`; for MEXA and recall@1 also over layers, `mexa_mean` and `mexa_max` (`item` = the layer), and so on;
/// - `xsim_error` (`ratio`, `distance`, `cosine`) and `bitext_f1` (`euclid`), `item` = `from_pivot` or `to_pivot`.
///
/// Rows of the cosines have `variant` = `centring`: `pair_cosine`, `pair_cosine_gap`, `pair_cosine_z`; `hubness_skew`, `anti_hubs`,
/// `hub_max` (`item` = `from_pivot`: hubs among the language's sentences, `to_pivot`: among the pivot's); `anisotropy` of a language alone.
///
/// # Errors
/// Parameters with a [`RetrievalParams::problem`], an unknown or repeated pivot, one language, fewer than 4 sentences, a k that the
/// number of sentences does not allow, states that are not finite or cannot be read; [`babelscope_core::Error::Cancelled`].
///
/// ```
/// use babelscope_core::monitor::Monitor;
/// use babelscope_probes::{align::LanguageStates, retrieval::{RetrievalParams, retrieval}};
/// use ndarray::array;
///
/// let english = array![[1., 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 0.]];
/// let german = array![[2., 0.1, 0.], [0.2, 1., 0.1], [0., 0.3, 0.9], [0.5, 0.4, 0.6]];
/// let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
/// let states = LanguageStates::new(languages, vec![0], vec![vec![english], vec![german]])?;
/// let params = RetrievalParams { ks: vec![1, 2], neighbours: 2, margin_neighbours: 2, ..RetrievalParams::default() };
/// let measured = retrieval(&states, &params, 0, &Monitor::silent())?;
/// let value = |metric, variant| measured.value(metric, "deu_Latn", "eng_Latn", Some(0), variant);
/// assert_eq!(value("mexa", "raw/cosine"), Some(0.75));
/// // Sentence 4 has rank 3: two others are closer.
/// assert_eq!(value("mean_rank_from_pivot", "raw/cosine"), Some(1.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn retrieval(source: &dyn StateSource, params: &RetrievalParams, seed: u64, monitor: &Monitor) -> Result<Measured> {
    check(source, params)?;
    let n = source.sentences();
    let pairs = Pair::all(source, &pivots(source, &params.pivots, MEASURE)?);
    let context = Context {
        source,
        params,
        seed,
        draws: Draws::new(n, params.bootstrap, seed)?,
        shuffled: Permutations::new(n, params.shuffles, seed)?,
    };
    let bases = products::bases(&params.similarities);
    let one_pair = size_of::<f32>() * bases.len() * n * n;
    let at_once = (SIMILARITY_BYTES / one_pair).clamp(1, rayon::current_num_threads());
    let total = source.layers().len() * params.centrings.len() * pairs.len();
    let (mut measured, mut over, mut notes) = (Measured::default(), OverLayers::default(), Notes::default());
    let mut done = 0;
    for layer in 0..source.layers().len() {
        for &centring in &params.centrings {
            let correction = Correction::fit(source, layer, centring, params)?;
            let mut held: BTreeMap<usize, Prepared> = BTreeMap::new();
            let mut seen = BTreeSet::new();
            for some in pairs.chunks(at_once) {
                let needed: BTreeSet<usize> = some.iter().flat_map(|pair| [pair.left, pair.right]).collect();
                held.retain(|language, _| needed.contains(language));
                let new: Vec<usize> = needed.into_iter().filter(|language| !held.contains_key(language)).collect();
                let prepared = new
                    .into_par_iter()
                    .map(|language| Ok((language, Prepared::new(source, language, layer, &correction)?)));
                for (language, prepared) in prepared.collect::<Result<Vec<_>>>()? {
                    if seen.insert(language) {
                        measured.rows.push(context.anisotropy(language, layer, centring, &prepared));
                        notes.read(language, source.layers()[layer], &prepared);
                    }
                    held.insert(language, prepared);
                }
                let found = some.par_iter().map(|pair| {
                    monitor.check()?;
                    pair.measure(&context, layer, centring, &bases, &held[&pair.left], &held[&pair.right])
                });
                for (rows, hits) in found.collect::<Result<Vec<_>>>()? {
                    measured.rows.extend(rows);
                    hits.into_iter().for_each(|hits| over.add(hits, layer));
                }
                done += some.len();
                monitor.tick(Tick { what: "measuring retrieval", done, total, unit: "pairs" })?;
            }
        }
    }
    let best = over.rows(&context, &mut measured.rows);
    adjust_rows(&mut measured.rows);
    // After the adjustment, as maxima at different layers are one family.
    for (at, layer) in best {
        measured.rows[at].item = layer.to_string();
    }
    measured.notes = notes.sentences(source);
    measured.notes.extend(context.matched_notes(&pairs)?);
    Ok(measured)
}

fn check(source: &dyn StateSource, params: &RetrievalParams) -> Result<()> {
    let refuse = |why: String| Err(Error::Input { measure: MEASURE, why });
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    let (languages, n) = (source.languages().len(), source.sentences());
    if languages < 2 {
        return refuse(format!("at least 2 languages are needed, got {languages}; add one to the corpus"));
    }
    if n < 4 {
        return refuse(format!("at least 4 sentences are needed, got {n}; with so few, chance finds most pairs"));
    }
    if let Some(k) = params.ks.iter().find(|k| **k > n - 1) {
        return refuse(format!("recall@{k} of {n} sentences is always 1; use a k of at most {} in `ks`", n - 1));
    }
    for (name, k) in [("neighbours", params.neighbours), ("margin_neighbours", params.margin_neighbours)] {
        if k >= n - 1 {
            return refuse(format!(
                "`{name}` = {k} takes nearly all of {n} sentences for neighbours, so the correction for hubs says nothing; \
                 use at most {}, or more sentences",
                n - 2
            ));
        }
    }
    Ok(())
}
