//! Reports as the views want them: every cell found by language and layer, languages by the names that people use.

use std::{collections::BTreeMap, sync::Arc};

use babelscope::{run::Run, spec::RunSpec};
use babelscope_core::{corpus::Corpus, lang};
use babelscope_probes::align::{AlignCell, AlignReport, Centring, Outcome};

use crate::catalogue::Catalogue;

/// By which number of a cell its sentences count as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Mutually closest.
    Mexa,
    /// Recall@1 from the pivot's sentence.
    RecallFrom,
    /// Recall@1 to the pivot's sentence.
    RecallTo,
    /// Mean cosine of true pairs minus mean cosine of wrong ones.
    CosineGap,
}

impl Measure {
    /// All, in the order of the chooser.
    pub const ALL: [Self; 4] = [Self::Mexa, Self::RecallFrom, Self::RecallTo, Self::CosineGap];

    /// The field's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mexa => "MEXA",
            Self::RecallFrom => "recall@1 from pivot",
            Self::RecallTo => "recall@1 to pivot",
            Self::CosineGap => "cosine gap",
        }
    }

    /// By which outcome the sentences of a metric are judged: those without one of their own by MEXA's.
    pub fn of_metric(metric: &str) -> Self {
        match metric {
            m if m.ends_with("from_pivot") => Self::RecallFrom,
            m if m.ends_with("to_pivot") => Self::RecallTo,
            "cosine_gap" | "pair_cosine_gap" => Self::CosineGap,
            _ => Self::Mexa,
        }
    }

    /// By how much the true pair of a sentence beats the closest wrong one; not above zero is a failure.
    /// The cosine gap has no outcome of its own and uses MEXA's.
    pub fn margin(self, outcome: &Outcome) -> f32 {
        let from = outcome.cosine - outcome.rival_cosine;
        let to = outcome.cosine - outcome.rival_back_cosine;
        match self {
            Self::Mexa | Self::CosineGap => from.min(to),
            Self::RecallFrom => from,
            Self::RecallTo => to,
        }
    }

    /// Whether the sentence counts as found.
    pub fn hit(self, outcome: &Outcome) -> bool {
        self.margin(outcome) > 0.0
    }
}

/// The cells of an alignment report by pivot, language, layer and centring.
#[derive(Clone, Debug, Default)]
pub struct AlignIndex {
    pivots: Vec<String>,
    languages: Vec<String>,
    place: BTreeMap<(usize, usize, usize, Centring), usize>,
}

impl AlignIndex {
    /// The index of a report.
    pub fn new(report: &AlignReport) -> Self {
        let sorted = |of: fn(&AlignCell) -> &String| {
            let mut all: Vec<String> = report.cells.iter().map(|c| of(c).clone()).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let (pivots, languages) = (sorted(|c| &c.pivot), sorted(|c| &c.language));
        let mut place = BTreeMap::new();
        for (at, cell) in report.cells.iter().enumerate() {
            if let (Ok(pivot), Ok(language)) =
                (pivots.binary_search(&cell.pivot), languages.binary_search(&cell.language))
            {
                place.insert((pivot, language, cell.layer, cell.centring), at);
            }
        }
        Self { pivots, languages, place }
    }

    /// The cell of a language against a pivot at a layer.
    pub fn cell<'r>(
        &self,
        report: &'r AlignReport,
        pivot: &str,
        language: &str,
        layer: usize,
        centring: Centring,
    ) -> Option<&'r AlignCell> {
        let pivot = self.pivots.binary_search_by(|p| p.as_str().cmp(pivot)).ok()?;
        let language = self.languages.binary_search_by(|l| l.as_str().cmp(language)).ok()?;
        report.cells.get(*self.place.get(&(pivot, language, layer, centring))?)
    }

    /// The cell in the centring that a variant names, or in any other where there is none.
    pub fn nearest<'r>(
        &self,
        report: &'r AlignReport,
        pivot: &str,
        language: &str,
        layer: usize,
        variant: &str,
    ) -> Option<&'r AlignCell> {
        let wanted = variant.split('/').next().unwrap_or_default();
        let first = Centring::ALL.into_iter().filter(|c| c.name() == wanted);
        let others = Centring::ALL.into_iter().filter(|c| c.name() != wanted);
        first.chain(others).find_map(|centring| self.cell(report, pivot, language, layer, centring))
    }
}

/// A run with what the views need of it besides.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The run.
    pub run: Arc<Run>,
    /// Its alignment cells, when it has some.
    pub index: AlignIndex,
    /// All its numbers.
    pub catalogue: Arc<Catalogue>,
    /// A number that no other loaded run has; goes into every cache key.
    pub stamp: u64,
}

impl Loaded {
    /// Prepares a run for the views.
    pub fn new(run: Run, stamp: u64) -> Self {
        let index = run.align.as_ref().map(AlignIndex::new).unwrap_or_default();
        let run = Arc::new(run);
        Self { catalogue: Arc::new(Catalogue::new(Arc::clone(&run))), run, index, stamp }
    }

    /// "which run is this": name and the first eight digits of its identity.
    pub fn tag(&self) -> String {
        let manifest = &self.run.manifest;
        let digits: String = manifest.identity.chars().take(8).collect();
        format!("{} · {digits}", manifest.name)
    }
}

/// The spec as TOML; a spec that TOML cannot hold gives a comment that says why.
pub fn toml(spec: &RunSpec) -> String {
    spec.to_toml().unwrap_or_else(|error| format!("# this spec cannot be run: {error:#}\n"))
}

/// The index of a language in the corpus: its colour is the same on every screen.
pub fn colour_index(corpus: &Corpus, language: &str) -> usize {
    corpus.languages.iter().position(|l| l == language).unwrap_or(corpus.languages.len())
}

/// The English name of a language, or its code where the registry does not know it.
pub fn language_name(code: &str) -> &str {
    lang::find(code).map_or(code, |l| l.name)
}

/// A language as it stands in a picture: name and code, or the code alone where the registry does not know it.
pub fn said(code: &str) -> String {
    match lang::find(code) {
        Some(known) => format!("{} ({code})", known.name),
        None => code.to_owned(),
    }
}

/// The script part of a FLORES code.
pub fn script(code: &str) -> &str {
    code.split_once('_').map_or("", |(_, script)| script)
}

/// The mark of a language in narrow places: the language part of its code, or all of it where `among` has another language
/// with the same part (`zho_Hans`, `zho_Hant`).
pub fn mark<'c>(code: &'c str, among: &[String]) -> &'c str {
    let part = |code: &'c str| code.split_once('_').map_or(code, |(language, _)| language);
    let language = part(code);
    let shared =
        among.iter().any(|other| other != code && other.split_once('_').map_or(other.as_str(), |(l, _)| l) == language);
    if shared { code } else { language }
}

#[cfg(test)]
mod tests {
    use babelscope_probes::align::Estimate;

    use super::*;

    fn outcome(cosine: f32, rival: f32, back: f32) -> Outcome {
        Outcome { cosine, rival: 1, rival_cosine: rival, rival_back: 2, rival_back_cosine: back }
    }

    fn cell(language: &str, layer: usize, centring: Centring, value: f64) -> AlignCell {
        let estimate = Estimate { value, low: value, high: value };
        AlignCell {
            language: language.to_owned(),
            pivot: "eng_Latn".to_owned(),
            layer,
            centring,
            mexa: estimate,
            recall_from_pivot: estimate,
            recall_to_pivot: estimate,
            cosine_gap: value,
            cosine_wrong: 0.0,
            n: 1,
            outcomes: vec![outcome(0.5, 0.4, 0.4)],
        }
    }

    #[test]
    fn a_mark_is_short_only_where_it_is_unique() {
        let codes = ["zho_Hans", "zho_Hant", "hin_Deva"].map(str::to_owned);
        assert_eq!(mark("hin_Deva", &codes), "hin");
        assert_eq!(mark("zho_Hans", &codes), "zho_Hans");
    }

    #[test]
    fn a_tie_is_no_hit_in_any_measure() {
        for measure in Measure::ALL {
            assert!(!measure.hit(&outcome(0.5, 0.5, 0.5)));
            assert!(measure.hit(&outcome(0.5, 0.4, 0.4)));
        }
    }

    #[test]
    fn each_direction_of_recall_has_its_own_rival() {
        let lost_from = outcome(0.5, 0.6, 0.4);
        assert!(
            !Measure::RecallFrom.hit(&lost_from) && Measure::RecallTo.hit(&lost_from) && !Measure::Mexa.hit(&lost_from)
        );
        assert_eq!(Measure::Mexa.hit(&lost_from), lost_from.hit());
    }

    #[test]
    fn the_index_finds_every_cell_and_no_other() {
        let report = AlignReport {
            cells: vec![
                cell("hin_Deva", 0, Centring::Raw, 0.1),
                cell("hin_Deva", 2, Centring::Language, 0.9),
                cell("arb_Arab", 2, Centring::Language, 0.5),
            ],
            ..AlignReport::default()
        };
        let index = AlignIndex::new(&report);
        let found = |pivot, language, layer, centring| index.cell(&report, pivot, language, layer, centring);
        assert_eq!(found("eng_Latn", "hin_Deva", 2, Centring::Language).unwrap().mexa.value, 0.9);
        assert!(found("eng_Latn", "hin_Deva", 2, Centring::Raw).is_none());
        assert!(found("fra_Latn", "hin_Deva", 2, Centring::Language).is_none());
        let near = |layer, variant| index.nearest(&report, "eng_Latn", "hin_Deva", layer, variant);
        assert_eq!(near(2, "raw/csls").unwrap().centring, Centring::Language);
        assert_eq!(near(0, "raw").unwrap().mexa.value, 0.1);
        assert!(near(1, "raw").is_none());
    }
}
