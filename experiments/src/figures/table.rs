//! An alignment report seen from one pivot: languages in the order of a figure, layers ascending.

use std::collections::BTreeMap;

use babelscope_core::lang;
use babelscope_probes::align::{AlignCell, AlignReport, Centring};

use super::Source;

/// The cells of one pivot.
pub(super) struct Table<'a> {
    /// FLORES codes, the best aligned first.
    pub(super) languages: Vec<&'a str>,
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
        let centrings: Vec<_> = [Centring::Language, Centring::Raw].into_iter().filter(held).collect();
        let mut languages: Vec<&str> = of_pivot().map(|cell| cell.language.as_str()).collect();
        languages.sort_unstable();
        languages.dedup();
        let mut coloured = languages.clone();
        coloured.push(pivot);
        coloured.sort_unstable();
        let chance = report.chance_mexa;
        let table = Self { languages: Vec::new(), coloured, layers, centrings, cells, chance };
        languages.sort_by(|a, b| table.best(b).total_cmp(&table.best(a)));
        Self { languages, ..table }
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
        let order = if self.centrings.first() == Some(&Centring::Language) { "centred" } else { "raw" };
        format!(
            "MEXA: share of the sentences whose translation is mutually the closest; {n} sentences, chance {:.4}. \
             Centred: the mean of each language is removed first. Languages in the order of their best {order} value. Model {}, corpus {}. \
             Layer 0 = embeddings, layer k = after block k. Geometric alignment of sentence vectors, nothing more.",
            self.chance, source.model, source.corpus
        )
    }
}

/// Title of a panel.
pub(super) fn panel_title(centring: Centring) -> &'static str {
    match centring {
        Centring::Language => "centred",
        Centring::Raw => "raw",
    }
}

/// English name of a language, or its code where the registry does not know it.
pub(super) fn name(code: &str) -> &str {
    lang::find(code).map_or(code, |l| l.name)
}
