//! An alignment report seen from one pivot: languages in the order of a figure, layers ascending.

use std::collections::BTreeMap;

use babelscope_core::lang;
use babelscope_probes::align::{AlignCell, AlignReport, Centring};

use super::Source;

/// Of more languages than this a figure shows the ends and a part of the middle: nobody reads two thousand rows, and a picture of them is no page.
const MOST: usize = 100;
/// How many of the best and how many of the lowest are shown then.
const ENDS: usize = 40;

/// The cells of one pivot.
pub(super) struct Table<'a> {
    /// FLORES codes, the best aligned first: all, or of very many the ones that are drawn.
    pub(super) languages: Vec<&'a str>,
    /// Before which rows languages are left out on purpose: a figure leaves a gap there.
    pub(super) gaps: Vec<usize>,
    /// How many languages there are.
    count: usize,
    /// All codes in their own order, the pivot's too: a language has the same colour in every figure of a run.
    coloured: Vec<&'a str>,
    pub(super) layers: Vec<usize>,
    /// The ones that the report holds: centred before raw.
    pub(super) centrings: Vec<Centring>,
    cells: BTreeMap<(&'a str, usize, Centring), &'a AlignCell>,
    chance: f64,
}

impl<'a> Table<'a> {
    pub(super) fn new(report: &'a AlignReport, pivot: &'a str) -> Self {
        let of_pivot = || report.cells.iter().filter(|cell| cell.pivot == pivot && cell.language != pivot);
        let cells: BTreeMap<_, _> = of_pivot().map(|c| ((c.language.as_str(), c.layer, c.centring), c)).collect();
        let mut layers: Vec<usize> = of_pivot().map(|cell| cell.layer).collect();
        layers.sort_unstable();
        layers.dedup();
        let held = |centring: &Centring| cells.keys().any(|(_, _, c)| c == centring);
        let others = Centring::ALL.into_iter().filter(|c| !matches!(c, Centring::Language | Centring::Raw));
        let centrings: Vec<_> = [Centring::Language, Centring::Raw].into_iter().chain(others).filter(held).collect();
        let mut languages: Vec<&str> = of_pivot().map(|cell| cell.language.as_str()).collect();
        languages.sort_unstable();
        languages.dedup();
        let mut coloured = languages.clone();
        coloured.push(pivot);
        coloured.sort_unstable();
        let chance = report.chance_mexa;
        let count = languages.len();
        let table = Self { languages: Vec::new(), gaps: Vec::new(), count, coloured, layers, centrings, cells, chance };
        let mut ranked: Vec<(f64, &str)> = languages.into_iter().map(|l| (table.best(l), l)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let languages: Vec<&str> = shown(count).into_iter().filter_map(|at| ranked.get(at)).map(|r| r.1).collect();
        let gaps = if languages.len() < count { vec![ENDS, MOST - ENDS] } else { Vec::new() };
        Self { languages, gaps, ..table }
    }

    /// Which colour and mark a language has.
    pub(super) fn colour(&self, language: &str) -> usize {
        self.coloured.iter().position(|l| *l == language).unwrap_or(self.coloured.len())
    }

    /// The largest value over the layers, centred where the report has it.
    fn best(&self, language: &str) -> f64 {
        let of = |centring: &Centring| {
            let values = self.layers.iter().filter_map(|&layer| self.cell(language, layer, *centring));
            values.map(|cell| cell.mexa.value).fold(f64::NEG_INFINITY, f64::max)
        };
        self.centrings.first().map_or(f64::NEG_INFINITY, of)
    }

    pub(super) fn cell(&self, language: &str, layer: usize, centring: Centring) -> Option<&'a AlignCell> {
        self.cells.get(&(language, layer, centring)).copied()
    }

    pub(super) fn chance(&self) -> f64 {
        self.chance
    }

    /// What the numbers are, in words.
    pub(super) fn caption(&self, source: &Source) -> String {
        let mut counts: Vec<usize> = self.cells.values().map(|cell| cell.n).collect();
        counts.sort_unstable();
        let n = match (counts.first(), counts.last()) {
            (Some(least), Some(most)) if least == most => format!("n = {least}"),
            (Some(least), Some(most)) => format!("n = {least} to {most}"),
            _ => "n = 0".to_owned(),
        };
        let drawn = if self.languages.len() < self.count {
            format!(
                " Drawn are {} of {} languages: the {ENDS} best, the {ENDS} lowest, and {} evenly spaced between them; all are in tables/results.parquet.",
                self.languages.len(),
                self.count,
                self.languages.len() - 2 * ENDS
            )
        } else {
            String::new()
        };
        let order = if self.centrings.first() == Some(&Centring::Language) { "centred" } else { "raw" };
        format!(
            "MEXA: share of the sentences whose translation is mutually the closest; {n} sentences, chance {:.4}. \
             Centred: the mean of each language is removed first. Languages in the order of their best {order} value.{drawn} Model {}, corpus {}. \
             Layer 0 = embeddings, layer k = after block k. Geometric alignment of sentence vectors, nothing more.",
            self.chance, source.model, source.corpus
        )
    }
}

/// The places in a ranking of `count` languages that a figure shows, ascending.
fn shown(count: usize) -> Vec<usize> {
    if count <= MOST {
        return (0..count).collect();
    }
    let (between, chosen) = (count - 2 * ENDS, MOST - 2 * ENDS);
    // The middles of `chosen` equal parts of what lies between.
    let middle = (0..chosen).map(|at| ENDS + (2 * at + 1) * between / (2 * chosen));
    (0..ENDS).chain(middle).chain(count - ENDS..count).collect()
}

/// Title of a panel.
pub(super) fn panel_title(centring: Centring) -> &'static str {
    match centring {
        Centring::Language => "centred",
        other => other.name(),
    }
}

/// English name of a language, or its code where the registry does not know it.
pub(super) fn name(code: &str) -> &str {
    lang::find(code).map_or(code, |l| l.name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::figures::samples;

    proptest! {
        #[test]
        fn a_figure_shows_all_of_few_and_both_ends_of_many(count in 0usize..20_000) {
            let places = shown(count);
            prop_assert_eq!(places.len(), count.min(MOST));
            prop_assert!(places.windows(2).all(|pair| pair[0] < pair[1]) && places.iter().all(|&at| at < count));
            let ends = ENDS.min(count);
            prop_assert!((0..ends).chain(count - ends..count).all(|at| places.contains(&at)));
        }
    }

    #[test]
    fn the_caption_says_how_many_are_not_drawn() {
        let codes = samples::codes(200);
        let languages: Vec<&str> = codes.iter().map(String::as_str).collect();
        let report = samples::alignment(&languages, 2, 50);
        let table = Table::new(&report, "eng_Latn");
        // samples::alignment ranks them as they are given.
        let places: Vec<usize> =
            table.languages.iter().map(|l| languages.iter().position(|c| c == l).unwrap()).collect();
        assert_eq!(places, shown(200));
        assert!(
            table
                .caption(&samples::source())
                .contains("Drawn are 100 of 200 languages: the 40 best, the 40 lowest, and 20")
        );
        let few = samples::alignment(&languages[..100], 2, 50);
        assert!(!Table::new(&few, "eng_Latn").caption(&samples::source()).contains("Drawn are"));
    }
}
