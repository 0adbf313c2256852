//! What is read behind a patched prompt, and the rows that it becomes.

use std::collections::BTreeMap;

use super::{
    super::{metric::probability, refuse, words::first_tokens},
    bench::Bench,
    prompts::Asked,
};
use crate::{
    Result,
    bootstrap::{Draws, interval},
    measure::Row,
};

/// Names of what is read: source or target concept (`cs`, `ct`) in the source's, the target's or the pivot language.
pub(super) const ITEMS: [&str; 6] = ["cs_ls", "cs_lt", "ct_ls", "ct_lt", "cs_pivot", "ct_pivot"];

/// The accepted first tokens of each item; `None` for the pivot where it is one of the two languages or lacks the words.
pub(super) struct Sets([Option<Vec<u32>>; 6]);

/// The probability of each item.
#[derive(Clone, Debug)]
pub(super) struct Outcomes([Option<f64>; 6]);

impl Sets {
    /// Ids of a concept's words in a language as they follow a prompt.
    pub(super) fn words(bench: &Bench<'_>, behind: &Asked, concept: usize, language: &str) -> Result<Vec<u32>> {
        let concept = &bench.params.concepts[concept];
        match concept.words.get(language).filter(|words| !words.is_empty()) {
            Some(words) => first_tokens(bench.engine.tokenizer(), &behind.text, words),
            None => refuse(format!("the concept {:?} has no word in {language}", concept.name)),
        }
    }

    /// # Errors
    /// A word that is not there or cannot follow the prompt, and sets that share a token.
    pub(super) fn new(bench: &Bench<'_>, source: usize, target: usize) -> Result<Self> {
        let (s, t) = (&bench.asked[source], &bench.asked[target]);
        let mut sets: [Option<Vec<u32>>; 6] = Default::default();
        let pivot = bench.params.pivot.as_str();
        let third = pivot != s.language && pivot != t.language;
        let languages =
            [s.language.as_str(), t.language.as_str(), s.language.as_str(), t.language.as_str(), pivot, pivot];
        let concepts = [s.concept, s.concept, t.concept, t.concept, s.concept, t.concept];
        for (at, (concept, language)) in concepts.into_iter().zip(languages).enumerate() {
            let known = bench.params.concepts[concept].words.contains_key(language);
            if at < 4 || (third && known) {
                sets[at] = Some(Self::words(bench, t, concept, language)?);
            }
        }
        for (at, one) in sets.iter().enumerate() {
            for (other, more) in sets.iter().enumerate().skip(at + 1) {
                let shared = one.iter().flatten().find(|id| more.as_ref().is_some_and(|ids| ids.contains(id)));
                if let Some(id) = shared {
                    let name =
                        |at: usize| format!("{:?} in {}", bench.params.concepts[concepts[at]].name, languages[at]);
                    return refuse(format!(
                        "words of {} and of {} begin with the same token {:?}",
                        name(at),
                        name(other),
                        bench.engine.tokenizer().token(*id).unwrap_or("?")
                    ));
                }
            }
        }
        Ok(Self(sets))
    }

    pub(super) fn read(&self, logits: &[f32]) -> Outcomes {
        let mut read = [None; 6];
        for (read, set) in read.iter_mut().zip(&self.0) {
            *read = set.as_ref().map(|ids| probability(logits, ids));
        }
        Outcomes(read)
    }
}

impl Outcomes {
    pub(super) fn named(&self) -> BTreeMap<&'static str, f64> {
        ITEMS.into_iter().zip(self.0).filter_map(|(item, p)| Some((item, p?))).collect()
    }
}

/// A cell of the table to be: its names, and the outcomes of each pair.
struct Entry {
    language: String,
    pivot: String,
    variant: &'static str,
    layer: Option<usize>,
    pairs: Vec<Outcomes>,
}

/// Collects outcomes by language of the target, language of the source, variant and layer.
#[derive(Default)]
pub(super) struct Table(Vec<Entry>);

impl Table {
    /// `outcomes` `[pair][layer]`.
    pub(super) fn add(
        &mut self,
        languages: (&str, &str),
        variant: &'static str,
        layers: &[usize],
        outcomes: &[Vec<Outcomes>],
    ) {
        for (at, layer) in layers.iter().enumerate().filter(|_| !outcomes.is_empty()) {
            self.put(languages, variant, Some(*layer), outcomes.iter().filter_map(|of| of.get(at)).cloned());
        }
    }

    /// `outcomes` `[pair][1]`.
    pub(super) fn add_unpatched(&mut self, languages: (&str, &str), variant: &'static str, outcomes: &[Vec<Outcomes>]) {
        self.put(languages, variant, None, outcomes.iter().flatten().cloned());
    }

    fn put(
        &mut self,
        (language, pivot): (&str, &str),
        variant: &'static str,
        layer: Option<usize>,
        pairs: impl Iterator<Item = Outcomes>,
    ) {
        let fits =
            |e: &&mut Entry| e.language == language && e.pivot == pivot && e.variant == variant && e.layer == layer;
        if let Some(entry) = self.0.iter_mut().find(fits) {
            entry.pairs.extend(pairs);
            return;
        }
        let (language, pivot) = (language.to_owned(), pivot.to_owned());
        self.0.push(Entry { language, pivot, variant, layer, pairs: pairs.collect() });
    }

    /// Means and ratios of means with intervals over pairs.
    ///
    /// # Errors
    /// Those of [`Draws::new`].
    pub(super) fn rows(self, bootstrap: usize, seed: u64) -> Result<Vec<Row>> {
        let mut draws: BTreeMap<usize, Draws> = BTreeMap::new();
        let mut rows = Vec::new();
        for entry in self.0 {
            let n = entry.pairs.len();
            if let std::collections::btree_map::Entry::Vacant(free) = draws.entry(n) {
                free.insert(Draws::new(n, bootstrap, seed)?);
            }
            if let Some(draws) = draws.get(&n) {
                entry.rows(draws, &mut rows);
            }
        }
        Ok(rows)
    }
}

impl Entry {
    fn rows(&self, draws: &Draws, rows: &mut Vec<Row>) {
        let n = self.pairs.len();
        let place = |row: Row| {
            let row = row.of(&self.language).against(&self.pivot).variant(self.variant);
            Row { layer: self.layer, ..row }
        };
        // Where the sources are a mean over languages, no language is theirs.
        let mean_of_languages = self.pivot == "mean";
        // The mean over the pairs, then over each draw of them.
        let mut means: [Option<Vec<f64>>; 6] = Default::default();
        for (at, item) in ITEMS.into_iter().enumerate() {
            let values: Vec<f64> = self.pairs.iter().filter_map(|outcomes| outcomes.0[at]).collect();
            if values.len() < n || (mean_of_languages && item.ends_with("_ls")) {
                continue;
            }
            let estimate = draws.mean(&values);
            let row = place(Row::new("probability", estimate.value, n)).item(item);
            rows.push(if n > 1 && draws.draws() > 0 { row.within(estimate.low, estimate.high) } else { row });
            means[at] = Some([vec![estimate.value], draws.means(&values)].concat());
        }
        let mut ratio = |metric: &str, above: &[usize], below: &[usize]| {
            let sum = |which: &[usize], b: usize| -> Option<f64> {
                which.iter().map(|at| means[*at].as_ref().map(|means| means[b])).sum()
            };
            let of = |b: usize| -> Option<f64> { Some(sum(above, b)? / sum(below, b)?) };
            let Some(value) = of(0) else { return };
            if !value.is_finite() {
                rows.push(place(Row::missing(metric, "none of the words has any probability", n)));
                return;
            }
            let drawn = (1..=draws.draws()).filter_map(of).collect();
            let estimate = interval(value, drawn);
            let row = place(Row::new(metric, value, n));
            rows.push(if n > 1 && draws.draws() > 0 { row.within(estimate.low, estimate.high) } else { row });
        };
        let (cs_ls, cs_lt, ct_ls, ct_lt) = (0, 1, 2, 3);
        ratio("separability", &[cs_lt], &[cs_lt, cs_ls, ct_lt]);
        ratio("language_moved", &[cs_ls, ct_ls], &[cs_ls, cs_lt, ct_ls, ct_lt]);
        ratio("concept_moved", &[cs_ls, cs_lt], &[cs_ls, cs_lt, ct_ls, ct_lt]);
    }
}
